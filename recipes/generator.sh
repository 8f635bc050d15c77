#!/usr/bin/env bash
# Teach the generator of `gcl views` from nothing, by synthetic people alone, and measure it on others.
#
#   GCL_GENERATOR=DIR        where everything lands (default: generator)
#   GCL_GENERATOR_SETTINGS=FILE  a file that sets some of the sizes below otherwise
#   GCL_GENERATOR_OUT=FILE   where the weights go (default: into the package)
#
# Pairs that are drawn are kept, and each step goes on where it was: larger numbers give it more hours. The sizes below
# are those of the weights that ship; they take about an hour and a half of one core, and the pairs twenty minutes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
here="${GCL_GENERATOR:-generator}"
out="${GCL_GENERATOR_OUT:-}"
export OMP_NUM_THREADS=1

people="--people 6100 --sides 3" mottled="--people 2000 --sides 3 --mottled 0.8"
looks=200 colours=1550 finish=12500  # steps
tested="--people 50"
ablated="nothing painted seen code judge colours" brief_colours=250 brief_finish=150 longer_finish=360
judge="--epochs 12 --iterations 40"
judged="--ids 60 --cameras 4 --images 3"
if [ -n "${GCL_GENERATOR_SETTINGS:-}" ]; then . "$GCL_GENERATOR_SETTINGS"; fi

echo "== pairs: synthetic people, as the product sees them and as they are from other sides" >&2
python recipes/generator/pairs.py "$here/pairs" --seed 7001 $people
python recipes/generator/pairs.py "$here/pairs" --seed 7005 $mottled
echo "== learning" >&2
python recipes/generator/learn.py "$here/pairs" "$here" --looks "$looks" --colours "$colours" --finish "$finish"
python recipes/generator/ship.py "$here" ${out:+--out "$out"}
echo "== measuring: other people, and an encoder that was taught in another city" >&2
python recipes/generator/pairs.py "$here/tested" --seed 7003 $tested --sides 7 --everybody
if [ ! -d "$here/city" ]; then gcl synth "$here/city" $judged --seed 7004 >"$here/city.json"; fi
gcl warmup "$here/city" --work "$here/work" --method supervised --preset tiny --name judge $judge >"$here/judge.json"
python recipes/generator/measure.py "$here/tested" --judge "$here/work/warmup/judge" --weights "$here/finish.pt" \
    --sheet "$here/sheet.png"
echo "== ablation: short trainings, each without something; without the step by colours, as long a last step instead" >&2
for part in $ablated; do
    last="$brief_finish"
    [ "$part" != colours ] || last="$longer_finish"
    mkdir -p "$here/without-$part"
    cp "$here/looks.pt" "$here/without-$part/looks.pt"
    python recipes/generator/learn.py "$here/pairs" "$here/without-$part" --without "$part" \
        --colours "$brief_colours" --finish "$last" >"$here/without-$part/log"
    python recipes/generator/measure.py "$here/tested" --judge "$here/work/warmup/judge" --without "$part" \
        --weights "$here/without-$part/finish.pt"
done
