#!/usr/bin/env bash
# The scale of `gcl cluster` (gcl_cli/commands/cluster/scale.py): three synthetic cities, encoders from weak to good, and
# how well chances and ranges come true on cities that were left out, and on further sets (docs/how_sure.md).
#
#   GCL_TRUST=DIR               where everything lands (default: trust)
#   GCL_TRUST_CHECK="DATA ..."  labelled sets to check, to which nothing is fitted; their names begin with pku
#   GCL_TRUST_SETTINGS=FILE     a file that sets some of the sizes below otherwise
#
# Some forty minutes of one core. Finished artifacts are kept. The scale itself is written with --write:
#   python recipes/trust.py fit trust/features --write
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
here="${GCL_TRUST:-trust}"

declare -A cities=(
    [people]="--ids 60 --cameras 4 --images 3"  # the quickstart's
    [A]="--ids 100 --cameras 6 --images 3 --seed 21 --shift 1.0"
    [B]="--ids 200 --cameras 4 --images 4 --seed 22"
)
network="--preset tiny --set height=64 --set width=32 --set trunk_width=16"
weak="--epochs 12 --set colour_epochs=3"
good="--method supervised --epochs 10"
if [ -n "${GCL_TRUST_SETTINGS:-}" ]; then . "$GCL_TRUST_SETTINGS"; fi

sets=()
for city in people A B; do
    [ -d "$here/$city" ] || gcl synth "$here/$city" ${cities[$city]}
    sets+=("$here/$city")
done
for city in people A B; do
    gcl warmup "$here/$city" --work "$here/weak-$city" $network $weak
    gcl warmup "$here/$city" --work "$here/good-$city" $network $good
    for kind in weak good; do
        python "$(dirname "${BASH_SOURCE[0]}")/trust.py" embed "$here/features" "$here/$kind-$city" "${sets[@]}" ${GCL_TRUST_CHECK:-}
    done
done
python "$(dirname "${BASH_SOURCE[0]}")/trust.py" fit "$here/features"
python "$(dirname "${BASH_SOURCE[0]}")/verify.py" "$here/features"
