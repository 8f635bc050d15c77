#!/usr/bin/env bash
# How fast measuring is: all ratios, each against a plain way of doing the same, or another library, in the same run.
#
#   GCL_MEASURES=""   more numbers of pictures to cluster, such as "32621 100000": minutes, and an exponent is fitted
#   GCL_MEASURES_DIMENSION=2048   numbers a feature there
#
# CPU seconds of one thread. Ten to twenty minutes, nearly all of them for what is compared with.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" "[test]"
export OMP_NUM_THREADS=1
sizes="12936 ${GCL_MEASURES:-}" width="${GCL_MEASURES_DIMENSION:-2048}"

echo "== clustering against the dense formulation and a plain search of the neighbours; with numba, without"
python recipes/bench_clustering.py 12936 --dimension "$width" --against dense  # more do not fit into memory
python recipes/bench_clustering.py 12936 --dimension "$width" --against dense --without-numba
python recipes/bench_clustering.py $sizes --dimension "$width" --against search
echo "== ranking against sorting every row, the whole evaluation against its matrix product"
python recipes/bench_ranking.py --part market
echo "== Inception and Frechet distance against pytorch-fid and SciPy (random weights)"
python recipes/bench_generation.py
