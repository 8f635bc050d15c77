#!/usr/bin/env bash
# The whole chain on a small synthetic set, in a few minutes on two CPU cores. Every step can be rerun alone: delete its
# folder under quickstart/ and run this again; finished steps are skipped. Everything lands in quickstart/.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
here="${GCL_QUICKSTART:-quickstart}"
export GCL_WORK="$here/work"

step() {
    echo "== gcl $*" >&2
    gcl "$@" >>"$here/log.txt"
}

mkdir -p "$here"
: >"$here/log.txt"
step synth "$here/people" --ids 60 --cameras 4 --images 3
step mesh "$here/people"
step render --height 128 --width 64
step warmup --preset tiny --epochs 24
step evaluate --encoder warmup
step gan-warmup --set reconstruction_epochs=9 --epochs 1
step joint --epochs 10 --iterations 8
step evaluate --encoder joint
step gen-metrics --measures encoder,dssim,identity
python recipes/quickstart_table.py "$here"
