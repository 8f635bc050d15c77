# Sourced by the recipes of the published experiments: the whole chain on one data set, as the paper ran it.
#
#   $target, $source              data sets, as paths or as names under GCL_DATA (default: data/); source may be empty
#   GCL_WORK=DIR                  work folder (default: work/<target>, or work/<source>-to-<target>)
#   GCL_BENCHMARK_SETTINGS=FILE   a file that sets some of what follows otherwise
#
# Finished steps are skipped and an interrupted one goes on, so the same line may be typed again at any time.
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
export GCL_WORK="${GCL_WORK:-work/${source:+$source-to-}$target}"

method=jvtc        # the warm-up the paper's main rows start from; cluster-contrast is the stronger, modern one
preset=paper       # ResNet-50 at 256x128, ImageNet start: for a GPU
data=""            # of the commands that open the sets, e.g. --allow-subset for a part of one
mesh="" render="" warmup="" gan_warmup="" joint="${joint:-}" evaluate="--temporal"
if [ -n "${GCL_BENCHMARK_SETTINGS:-}" ]; then . "$GCL_BENCHMARK_SETTINGS"; fi

step() {
    echo "== gcl $*" >&2
    gcl "$@"
}

step mesh "$target" $data $mesh
step render $render
step warmup "$target" $data --method "$method" --preset "$preset" ${source:+--source "$source"} $warmup
step evaluate --encoder warmup
if [ -n "$evaluate" ]; then step evaluate --encoder warmup $evaluate; fi
step gan-warmup $gan_warmup
step joint $joint
step evaluate --encoder joint
if [ -n "$evaluate" ]; then step evaluate --encoder joint $evaluate; fi
