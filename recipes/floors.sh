#!/usr/bin/env bash
# Which pairs count in the percentile radius: those farther than 1e-6 (the default), or all that are not exactly 0, as
# in the published code (`rho_floor`)? Each of three synthetic sets is warmed up with the radius of either floor and
# measured; the clusters of one of the encoders are also found with the paper's settings and either floor.
#
#   GCL_FLOORS=DIR             where everything lands (default: floors)
#   GCL_FLOORS_MORE="DATA ..."  more data sets, with query and gallery
#   GCL_FLOORS_SETTINGS=FILE   a file that sets some of the sizes below otherwise
#
# Some twenty minutes of one core. Finished artifacts are kept, and an interrupted one goes on when this is run again.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
here="${GCL_FLOORS:-floors}"

declare -A cities=(
    [people]="--ids 60 --cameras 4 --images 3"  # the quickstart's
    [city-50]="--ids 100 --cameras 6 --images 3 --seed 21 --shift 1.0"
    [city-100]="--ids 200 --cameras 4 --images 4 --seed 22"
)
warmup="--preset tiny --epochs 12 --iterations 40 --set height=64 --set width=32 --set trunk_width=16"
share="--set rho=0.01"  # of the pairs of small sets: the paper's .002 labels one picture in ten of them
paper="--set k1=30 --set rho=0.002"
seeds="1 2"
if [ -n "${GCL_FLOORS_SETTINGS:-}" ]; then . "$GCL_FLOORS_SETTINGS"; fi

step() {
    echo "== gcl $*" >&2
    gcl "$@" >>"$here/results.txt"
}

mkdir -p "$here"
: >"$here/results.txt"
sets=()
for city in "${!cities[@]}"; do
    step synth "$here/$city" ${cities[$city]}
    sets+=("$here/$city")
done
for data in "${sets[@]}" ${GCL_FLOORS_MORE:-}; do
    export GCL_WORK="$here/work-$(basename "$data")"
    for floor in 1e-6 0; do
        for seed in $seeds; do
            step warmup "$data" $warmup --radius none $share --set "rho_floor=$floor" --seed "$seed" --name "$floor-$seed"
            step evaluate --encoder "warmup/$floor-$seed"
        done
        step cluster --encoder "warmup/1e-6-${seeds%% *}" --radius none $paper --set "rho_floor=$floor" --name "paper-$floor"
    done
done
python recipes/floors_table.py "$here"
