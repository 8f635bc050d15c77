#!/usr/bin/env bash
# What a machine's graphics card makes of this project, in at most eight minutes: the first thing to run on a new one.
#
# Whether the card computes what the CPU does (`pytest -m gpu`), pictures a second and GB at `paper` for every training
# stage, batch and arithmetic, what torch.compile and CUDA graphs add, bodies and views a second, and the hours that
# the paper's run on Market-1501 will take. Prints Markdown; JSON goes to $GCL_GPU. Needs an NVIDIA card.
#
#   GCL_GPU=DIR      folder of gpu.json and of what each part said (default: gpu/)
#   GCL_GPU_TOY=1    every part at toy size on the CPU: does the script itself work here? The figures mean nothing
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" "[test]"
exec python recipes/gpu/all_parts.py
