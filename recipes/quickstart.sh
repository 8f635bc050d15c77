#!/usr/bin/env bash
# The whole chain on a small synthetic set, in a few minutes on two CPU cores. Every step can be rerun alone: delete its
# folder under quickstart/ and run this again; finished steps are skipped.
#
#   GCL_QUICKSTART=DIR            where everything lands (default: quickstart)
#   GCL_QUICKSTART_SETTINGS=FILE  a file that sets some of the sizes below otherwise
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
here="${GCL_QUICKSTART:-quickstart}"
export GCL_WORK="$here/work"

# Sizes: the `tiny` preset, shortened.
people="--ids 60 --cameras 4 --images 3"
warmup="--epochs 15 --set colour_jitter=0"  # its cameras differ little; on photographs the jitter is what makes it learn
gan_warmup=""  # the preset's: ten steps, from the generator that ships
joint="--epochs 6 --iterations 2 --set contrast_views=generated"  # twelve joint steps, nineteen with drawn views after each
gen_metrics="--pictures 120 --set repeats=1"
if [ -n "${GCL_QUICKSTART_SETTINGS:-}" ]; then . "$GCL_QUICKSTART_SETTINGS"; fi

step() {
    echo "== gcl $*" >&2
    gcl "$@" >>"$here/results.txt"
}

mkdir -p "$here"
: >"$here/results.txt"
step synth "$here/people" $people
step mesh "$here/people"
step render --height 128 --width 64
step warmup --preset tiny $warmup
step evaluate --encoder warmup
step gan-warmup $gan_warmup
step joint $joint
step evaluate --encoder joint
step gen-metrics --measures encoder,dssim,identity $gen_metrics
step gen-metrics --measures encoder,dssim,identity $gen_metrics --set views=painted --name painted
step gen-metrics --measures encoder,dssim,identity $gen_metrics --generator shipped
[ -e "$here/chain.png" ] || python recipes/chain_picture.py "$here" "$here/chain.png"
python recipes/quickstart_table.py "$here"
