#!/usr/bin/env bash
# Bodies, views and synthetic people: how right and how fast they are. Prints every figure that docs/results.md quotes.
#
#   GCL_PKU=DIR   PKU-Reid in Market layout, the orientation 1-8 in place of the frame: how well real people are turned
#
# Some ten minutes on one core, most of them for the supervised network of the difficulty table.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" "[test,render]"
export OMP_NUM_THREADS=1

echo "== a second: people made up, bodies estimated, views drawn, beside the bare network and pyrender"
python recipes/bench_bodies.py
echo "== accuracy on a fresh seed; orientation of real people; difficulty of synthetic people"
python -m pytest -m slow -s -n 0 -q tests/body/test_body_accuracy.py tests/body/test_body_facing.py \
    tests/synth/test_synth_difficulty.py
