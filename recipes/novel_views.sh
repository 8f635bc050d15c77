#!/usr/bin/env bash
# Do novel views pay? Joint training with painted views, and with those of the generator that ships, against its controls
# at equal time, on synthetic cities (and on photographs, where you have some); nothing was tuned on the people it tests.
#
#   GCL_NOVEL_VIEWS=DIR              where everything lands (default: novel-views)
#   GCL_NOVEL_VIEWS_PHOTOGRAPHS=DATA also photographs, with query and gallery
#   GCL_NOVEL_VIEWS_SETS="A ..."     only some of: shared private photographs
#   GCL_NOVEL_VIEWS_SETTINGS=FILE    a file that sets some of the sizes below otherwise
#
# Every cell is an artifact of its own: finished ones are kept, and an interrupted one goes on when this is run again.
# The table of a set so far at any time: python recipes/ablation_table.py DIR/SET
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
here="${GCL_NOVEL_VIEWS:-novel-views}"
photographs="${GCL_NOVEL_VIEWS_PHOTOGRAPHS:-}"
sets="${GCL_NOVEL_VIEWS_SETS:-shared private ${photographs:+photographs}}"

people="--ids 80 --cameras 4 --images 3"
shared="--seed 41"  # scenes that all cameras share, and light that differs little
private="--seed 42 --shift 1.0 --private-scenes"
seeds="1 2 3"  # of the training; rows of the second part have the first one alone
threads=""  # such as --threads 1
networks="--set height=64 --set width=32 --set trunk_width=16"
warmup="--epochs 16 --iterations 40 --set colour_jitter=0"
warmup_photographs="--epochs 24 --iterations 40"
# Equal time: on one busy core a step of the warm-up was measured to take .20 s, one of L_vi .12 and one with painted
# views .26 s. Those trainings are ten epochs long, but for the warm-up continued, whose epochs have 40 steps; rows
# with a generator cost its warm-up as well, and their minutes are in the table.
continued="--epochs 24"
contrast="--epochs 10 --iterations 150"
novel="--epochs 10 --iterations 80"
shipped="--epochs 0"  # the generator that ships, as it is
papers="--generator mesh --reconstruction-epochs 6 --epochs 1"
paper="--epochs 4 --iterations 18 --augment none --set contrast_steps=0"  # the paper's step, 18 an epoch
recipe="--epochs 10 --iterations 3"  # the preset's: joint steps among those with painted views
scores="encoder,dssim,identity"  # of the views
if [ -n "${GCL_NOVEL_VIEWS_SETTINGS:-}" ]; then . "$GCL_NOVEL_VIEWS_SETTINGS"; fi
terms="--losses vi,vi_syn,vi_mem --set contrast_views=painted --set contrast_steps=0"

step() {
    echo "== $city: gcl $*" >&2
    gcl "$@" $threads >>"$here/$city/results.txt"
}
cell() {  # cell NAME SEED OPTIONS: a training that starts from the warm-up of that seed, and its measure
    step joint --generator "$generator$2" --name "$1-s$2" --seed "$2" "${@:3}"
    step evaluate --encoder "joint/$1-s$2"
}
first="${seeds%% *}"
generator=s  # the warm-ups of generators that trainings start from, before the seed
for city in $sets; do
    export GCL_WORK="$here/$city/work"
    mkdir -p "$here/$city"
    : >"$here/$city/results.txt"
    own="$warmup"
    data="$here/$city/people"
    case "$city" in
        shared) echo "== $city: gcl synth" >&2; gcl synth "$data" $people $shared >>"$here/$city/results.txt" ;;
        private) echo "== $city: gcl synth" >&2; gcl synth "$data" $people $private >>"$here/$city/results.txt" ;;
        photographs) data="$photographs" own="$warmup_photographs" ;;
    esac
    step mesh "$data"
    step render --height 64 --width 32
    for seed in $seeds; do
        step warmup --preset tiny --name "s$seed" --seed "$seed" $networks $own
        step evaluate --encoder "warmup/s$seed"
        step gan-warmup --name "s$seed" --encoder "warmup/s$seed" --seed "$seed" $shipped
        cell control-contrast "$seed" --losses vi --set contrast_steps=0 $contrast
        cell painted "$seed" $terms $novel
        cell generated "$seed" $terms $novel --set contrast_views=generated
    done
    cell painted-own-backdrop "$first" $terms $novel --set backdrop=own
    cell painted-turned-alone "$first" $terms $novel --set own_view_share=0
    cell painted-cut-out-alone "$first" $terms $novel --set own_view_share=1
    step gan-warmup --name "paper-s$first" --encoder "warmup/s$first" --seed "$first" $papers
    generator=paper-s cell joint-paper "$first" $paper
    cell joint-recipe "$first" $recipe
    cell joint-recipe-without-painted "$first" $recipe --set contrast_views=none
    for seed in $seeds; do
        step warmup --preset tiny --name "control-continued-s$seed" --seed "$seed" $networks $own \
            --init "warmup/s$seed" --set learning_rate=0.0001 $continued
        step evaluate --encoder "warmup/control-continued-s$seed"
    done
    for measured in "gan-warmup/s" "gan-warmup/paper-s" "joint/joint-paper-s" "joint/joint-recipe-s"; do
        step gen-metrics --generator "$measured$first" --measures "$scores"
    done
    step gen-metrics --generator "gan-warmup/s$first" --measures "$scores" --set views=painted --name painted
done
for city in $sets; do
    echo "$city:"
    python recipes/ablation_table.py "$here/$city"
done
