#!/usr/bin/env bash
# The rows of the paper's Table 3 and two controls on unlabelled synthetic people, at equal steps and at equal time:
# does joint training pay, and which of its losses? What matters most comes first, over three seeds.
#
#   GCL_ABLATION=DIR             where everything lands (default: ablation)
#   GCL_ABLATION_TARGET=DATA     another data set, with query and gallery
#   GCL_ABLATION_SETTINGS=FILE   a file that sets some of the sizes below otherwise
#
# Every cell is an artifact of its own: finished ones are kept, and an interrupted one goes on when this is run again.
# The table so far at any time: python recipes/ablation_table.py DIR
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
here="${GCL_ABLATION:-ablation}"
target="${GCL_ABLATION_TARGET:-$here/people}"
export GCL_WORK="$here/work"

people="--ids 80 --cameras 4 --images 3 --seed 21"
seeds="1 2 3"  # of the training; the other rows have the first one alone
render="--height 64 --width 32"
warmup="--preset tiny --set height=64 --set width=32 --set trunk_width=16 --epochs 16 --iterations 40 --set colour_jitter=0"
gan_warmup="--reconstruction-epochs 12 --epochs 3"
epochs=8
joint="--iterations 18"  # of every joint training of the paper's steps alone
paper="--augment none --set contrast_steps=0"
recipe=""  # of the preset's, most of whose steps have painted views
if [ -n "${GCL_ABLATION_SETTINGS:-}" ]; then . "$GCL_ABLATION_SETTINGS"; fi

step() {
    echo "== gcl $*" >&2
    gcl "$@" >>"$here/results.txt"
}
cell() {  # cell NAME SEED OPTIONS: a joint training and its measure
    local name="$1-s$2" generator="s$2"
    step joint --generator "$generator" --name "$name" --seed "$2" "${@:3}"
    step evaluate --encoder "joint/$name"
}
same_time() { python recipes/ablation_time.py "$GCL_WORK" "$@"; }  # epochs that take as long as `full` with its generator

mkdir -p "$here"
: >"$here/results.txt"
[ -n "${GCL_ABLATION_TARGET:-}" ] || step synth "$here/people" $people
step mesh "$target"
step render $render
for seed in $seeds; do
    step warmup --name "s$seed" --seed "$seed" $warmup
    step evaluate --encoder "warmup/s$seed"
    step gan-warmup --name "s$seed" --encoder "warmup/s$seed" --seed "$seed" $gan_warmup
    cell full "$seed" --epochs "$epochs" $joint $paper
    cell vi-classic "$seed" --epochs "$epochs" $joint $paper --losses vi --augment classic
    cell vi-classic-same-time "$seed" $joint $paper --losses vi --augment classic \
        --epochs "$(same_time "$seed" "joint/vi-classic-s$seed")"
    step warmup --name "continued-s$seed" --seed "$seed" $warmup --init "warmup/s$seed" --set learning_rate=0.0001 \
        --epochs "$(same_time "$seed" "warmup/s$seed")"
    step evaluate --encoder "warmup/continued-s$seed"
    cell full-recipe "$seed" --epochs "$epochs" $recipe
done
first="${seeds%% *}"
cell gan "$first" --epochs "$epochs" $joint $paper --losses gan
cell vi "$first" --epochs "$epochs" $joint $paper --losses vi
cell gan-vi "$first" --epochs "$epochs" $joint $paper --losses gan,vi
cell gan-vi-syn "$first" --epochs "$epochs" $joint $paper --losses gan,vi,vi_syn
cell gan-vi-mem "$first" --epochs "$epochs" $joint $paper --losses gan,vi,vi_mem
cell full-real-negatives "$first" --epochs "$epochs" $joint $paper --set negatives_from=real
cell gcl-plus "$first" --epochs "$epochs" $joint $paper --losses gan,vi,vi_syn,vi_mem,mixup,prototype
cell vi-same-time "$first" $joint $paper --losses vi --epochs "$(same_time "$first" "joint/vi-s$first")"
python recipes/ablation_table.py "$here"
