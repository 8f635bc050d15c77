#!/usr/bin/env bash
# Every warm-up method on one unlabelled set, alone and after the labels of another: what does each gain in equal time?
# Without arguments both sets are synthetic cities (other people, scenes, cameras and light); about forty minutes on two cores.
#
#   GCL_WARMUPS=DIR             where everything lands (default: warmups)
#   GCL_WARMUPS_TARGET=DATA     another target, with query and gallery
#   GCL_WARMUPS_SETTINGS=FILE   a file that sets some of the sizes below otherwise
#
# Every cell is an artifact of its own: finished ones are kept, and an interrupted one goes on when this is run again.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
here="${GCL_WARMUPS:-warmups}"
target="${GCL_WARMUPS_TARGET:-$here/target}"
export GCL_WORK="$here/work"

target_people="--ids 80 --cameras 4 --images 3 --seed 11"
source_people="--ids 80 --cameras 3 --images 4 --seed 12 --shift 0.4"
preset=tiny
settings="--set height=64 --set width=32 --set trunk_width=16"  # of every warm-up: a tenth of the preset's time
alone="cluster-contrast jvtc mmcl"            # methods that need no labels
adapted="cluster-contrast jvtc mmcl act"      # methods after the source
# Epochs that take about three minutes on one idle core: .083, .109, .082, .092 and .085 s a step were measured.
declare -A epochs=([cluster-contrast]=54 [jvtc]=66 [mmcl]=49 [act]=98 [supervised]=53)
if [ -n "${GCL_WARMUPS_SETTINGS:-}" ]; then . "$GCL_WARMUPS_SETTINGS"; fi

step() {
    echo "== gcl $*" >&2
    gcl "$@" >>"$here/results.txt"
}
measure() { step evaluate --encoder "warmup/$1"; }

mkdir -p "$here"
: >"$here/results.txt"
[ -n "${GCL_WARMUPS_TARGET:-}" ] || step synth "$here/target" $target_people
step synth "$here/city" $source_people

step warmup "$target" --preset "$preset" --name untrained --init none --epochs 0 $settings
measure untrained
for method in $alone; do
    step warmup "$target" --preset "$preset" --name "$method" --method "$method" \
        --epochs "${epochs[$method]}" $settings
    measure "$method"
done
for method in $adapted; do
    step warmup "$target" --preset "$preset" --name "source-then-$method" --method "$method" \
        --epochs "${epochs[$method]}" --source "$here/city" --set "source_epochs=${epochs[supervised]}" $settings
    measure "source-then-$method"
done
for learned in "$GCL_WORK"/warmup/source-city-*; do measure "$(basename "$learned")"; done
step warmup "$target" --preset "$preset" --name ceiling --method supervised --epochs "${epochs[supervised]}" $settings
measure ceiling
python recipes/warmups_table.py "$here"
