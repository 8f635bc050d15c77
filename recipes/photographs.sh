#!/usr/bin/env bash
# What does gcl make of photographs without labels? The warm-up from chance, joint training on top of it, and its
# controls at equal time, each also with answers that use the whole gallery (docs/whole_gallery.md). One argument: a data
# set with query and gallery, such as data/market; the labels of its training people serve the ceiling alone.
#
#   bash recipes/photographs.sh DATA
#   GCL_PHOTOGRAPHS=DIR            where everything lands (default: photographs)
#   GCL_PHOTOGRAPHS_SETTINGS=FILE  a file that sets some of the sizes below otherwise
#
# Every cell is an artifact of its own: finished ones are kept, and an interrupted one goes on when this is run again.
# Minutes are of training on one thread. The table so far at any time: python recipes/photographs_table.py DIR
set -euo pipefail
data="${1:?give a data set: bash recipes/photographs.sh data/market}"
case "$data" in /*) ;; *) [ ! -e "$data" ] || data="$PWD/$data" ;; esac
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
here="${GCL_PHOTOGRAPHS:-photographs}"
export GCL_WORK="$here/work"

seeds="1 2 3"  # of the training
preset=tiny
threads="--threads 1"
warmup=""  # the preset's 44 epochs
continued="--epochs 22 --set learning_rate=0.0003 --set colour_epochs=0"
ceiling="--epochs 44"
contrast="--epochs 8 --iterations 150"  # steps of L_vi, about as long as the row below
joint="--epochs 8 --iterations 60"  # steps with views
terms="--losses vi,vi_syn,vi_mem --set contrast_steps=0"
sizes="--height 128 --width 64"
if [ -n "${GCL_PHOTOGRAPHS_SETTINGS:-}" ]; then . "$GCL_PHOTOGRAPHS_SETTINGS"; fi

step() {
    echo "== gcl $*" >&2
    gcl "$@" $threads >>"$here/results.txt"
}
measure() {  # measure STAGE/NAME: as it is, and with the whole gallery's features
    step evaluate --encoder "$1"
    step evaluate --encoder "$1" --flip --even-cameras --centralise --name "${1/\//-}-gallery"
}
cell() {  # cell NAME SEED OPTIONS: a training that starts from the warm-up of that seed, and its measure
    step joint --generator "s$2" --name "$1-s$2" --seed "$2" "${@:3}"
    measure "joint/$1-s$2"
}

mkdir -p "$here"
: >"$here/results.txt"
step mesh "$data"
step render $sizes
for seed in $seeds; do
    step warmup --preset $preset --name "untrained-s$seed" --seed "$seed" --init none --epochs 0
    measure "warmup/untrained-s$seed"
    step warmup --preset $preset --name "s$seed" --seed "$seed" $warmup
    measure "warmup/s$seed"
    step warmup --preset $preset --name "true-labels-s$seed" --seed "$seed" --method supervised $ceiling
    measure "warmup/true-labels-s$seed"
    step warmup --preset $preset --name "control-continued-s$seed" --seed "$seed" --init "warmup/s$seed" $continued
    measure "warmup/control-continued-s$seed"
    step gan-warmup --name "s$seed" --encoder "warmup/s$seed" --seed "$seed" --epochs 0  # as it ships
    cell control-contrast "$seed" --losses vi --set contrast_steps=0 $contrast
    cell painted "$seed" $terms $joint --set contrast_views=painted
    cell generated "$seed" $terms $joint --set contrast_views=generated
done
python recipes/photographs_table.py "$here"
