#!/usr/bin/env bash
# Digests of everything that a toy chain writes, from synth to gen-metrics, at a fixed seed on one thread: whoever moves
# code about runs it before and after, and compares. bash recipes/digests.sh [FOLDER], some two minutes of one core.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" ""
folder="$(mkdir -p "${1:-work/digests}" && cd "${1:-work/digests}" && pwd)"
cd "$folder"
export OMP_NUM_THREADS=1
exact=(--threads 1 --device cpu --json)
few=(--set precision=fp32 --set iterations=3)
clusters=(--radius 0.5 --set k1=8 --set k2=3 --set min_samples=2)
small=(--set trunk_width=16 --set height=64 --set width=32 --set generator_width=4 --set modulation_width=16
       --set discriminator_width=4 --set people=4 --set pictures=2)
{
    gcl synth people --ids 12 --cameras 2 --images 2 --threads 1 --json
    gcl mesh people --set sheet=2 "${exact[@]}"
    gcl render --set height=64 --set width=32 --set backend=numpy --threads 1 --json
    gcl warmup people --preset tiny --epochs 2 "${small[@]}" "${clusters[@]}" "${few[@]}" "${exact[@]}"
    gcl gan-warmup --epochs 1 --reconstruction-epochs 1 --batch-size 4 "${few[@]}" "${exact[@]}"
    gcl joint --epochs 2 --batch-size 4 --set contrast_steps=1 "${clusters[@]}" "${few[@]}" "${exact[@]}"
    gcl cluster "${clusters[@]}" "${exact[@]}"
    gcl evaluate "${exact[@]}"
    gcl gen-metrics --measures encoder,dssim,identity --angles 90,180 "${exact[@]}"
} >log.json 2>log.txt
python - <<'PYTHON'
import json
from hashlib import sha256
from pathlib import Path

for manifest in sorted(Path("work").rglob("manifest.json")):
    outputs = json.loads(manifest.read_text())["outputs"]
    digest = sha256(json.dumps({n: d for n, d in outputs.items() if not n.endswith("metrics.jsonl")}).encode())
    print(f"{manifest.parent.relative_to('work').as_posix():24} {digest.hexdigest()[:16]}")
PYTHON
