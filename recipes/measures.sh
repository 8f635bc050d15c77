#!/usr/bin/env bash
# How fast measuring is: all ratios, each against a plain way of doing the same, or another library, in the same run.
#
#   GCL_MEASURES="12936"   numbers of pictures to cluster; "12936 32621 100000" adds minutes, and fits an exponent
#   GCL_MEASURES_DIMENSION=2048   numbers a feature there
#
# CPU seconds of one thread. Ten to twenty minutes, nearly all of them for what is compared with.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" "[test]"
export OMP_NUM_THREADS=1
sizes="${GCL_MEASURES:-12936}" width="${GCL_MEASURES_DIMENSION:-2048}"

echo "== clustering against the dense formulation and a plain search of the neighbours; with numba, without"
python recipes/bench_clustering.py $sizes --dimension "$width" --against search dense
python recipes/bench_clustering.py $sizes --dimension "$width" --against search dense --without-numba
echo "== ranking against sorting every row, the whole evaluation against its matrix product; with numba, without"
python recipes/bench_ranking.py --part market
python recipes/bench_ranking.py --part market --without-numba
echo "== Inception, SSIM and Frechet distance against pytorch-fid, scikit-image and SciPy (random weights)"
python recipes/bench_generation.py
