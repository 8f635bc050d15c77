#!/usr/bin/env bash
# The scales of `gcl cluster` (gcl_cli/commands/cluster/scale.py): clusters of synthetic people by encoders that learned
# from the same pictures, with cameras and without, from nearly all wrong to all right; and how well chances and ranges
# come true on sets that were left out, and on further ones (docs/how_sure.md).
#
#   GCL_TRUST=DIR               where everything lands (default: trust)
#   GCL_TRUST_CHECK="WORK ..."  further work folders, whose names begin with pku: checked, and nothing fitted to them
#   GCL_TRUST_SETTINGS=FILE     a file that sets some of the sizes below otherwise
#
# Some ninety minutes of one core. Finished artifacts are kept. The scales themselves are written with --write:
#   python recipes/trust.py fit trust/features --write
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
here="${GCL_TRUST:-trust}"
trust="$(dirname "${BASH_SOURCE[0]}")/trust.py"

declare -A cities=(
    [people]="--ids 60 --cameras 4 --images 3"  # the quickstart's
    [shared]="--ids 80 --cameras 4 --images 3 --seed 41"
    [private]="--ids 80 --cameras 4 --images 3 --seed 42 --shift 1.0 --private-scenes"
    [V]="--ids 300 --cameras 6 --images 4 --seed 51 --shift 1.0 --private-scenes"
    [city400]="--ids 400 --cameras 6 --images 3 --seed 61 --shift 1.0 --private-scenes"
)
declare -A crops=(  # without cameras
    [u1]="--ids 80 --cameras 4 --images 3 --seed 101"
    [u2]="--ids 40 --cameras 3 --images 4 --seed 102 --shift 1.0 --private-scenes --distractors 0"
    [u3]="--ids 150 --cameras 6 --images 3 --seed 103 --distractors 100"
    [u4]="--ids 30 --cameras 2 --images 5 --seed 104 --shift 0.4 --distractors 30"
    [u5]="--ids 60 --cameras 5 --images 4 --seed 105 --shift 1.0 --private-scenes --distractors 60"
    [u6]="--ids 120 --cameras 2 --images 4 --seed 106 --shift 0.3 --distractors 0"
    [u7]="--ids 90 --cameras 4 --images 3 --seed 107 --shift 0.8 --distractors 200"
    [u8]="--ids 50 --cameras 8 --images 2 --seed 108 --private-scenes --distractors 50"
)
declare -A kept=([u1]=400 [u2]=400 [u3]=900 [u4]=250 [u5]=600 [u6]=700 [u7]=500 [u8]=500)  # so that some are there once
minutes="0.6 1.5"
network="--preset tiny"
sizes="--height 128 --width 64"
if [ -n "${GCL_TRUST_SETTINGS:-}" ]; then . "$GCL_TRUST_SETTINGS"; fi

learn() {  # learn NAME OPTIONS: bodies, and an encoder for each number of minutes
    local work="$here/$1"
    gcl mesh "$here/sets/$1" --work "$work" --threads 1
    gcl render --work "$work" $sizes --threads 1
    for long in $minutes; do
        gcl warmup --work "$work" --name "m$long" $network --minutes "$long" --threads 1 "${@:2}"
    done
    python "$trust" embed "$here/features" "$work"
}

for city in "${!cities[@]}"; do
    [ -d "$here/sets/$city" ] || gcl synth "$here/sets/$city" ${cities[$city]}
    learn "$city"
done
for city in "${!crops[@]}"; do
    if [ ! -d "$here/sets/$city" ]; then
        gcl synth "$here/sets/$city" --no-labels ${crops[$city]}
        python "$trust" thin "$here/sets/$city" "${kept[$city]}" 1
    fi
    learn "$city" --radius 0.32
done
for work in ${GCL_TRUST_CHECK:-}; do
    python "$trust" embed "$here/features" "$work"
done
python "$trust" fit "$here/features"
python "$(dirname "${BASH_SOURCE[0]}")/verify.py" "$here/features"
