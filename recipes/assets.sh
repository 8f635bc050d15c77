#!/usr/bin/env bash
# Rebuild the data files inside the package, gcl_cli/body/assets, from the registry packages they come from.
# Needs a network, about 4 GB of disk and of memory, and an hour and a quarter on two cores. Only for who changes an
# asset: they ship with the package.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" "[assets]"
python recipes/assets/build_body.py
python recipes/assets/build_landmarks.py
python recipes/assets/build_keypoints.py  # needs the two above
bash recipes/generator.sh  # the generator of views, which sees people as the three above estimate them
sha256sum gcl_cli/body/assets/*.{safetensors,tflite}  # for gcl_cli/body/shipped.py
