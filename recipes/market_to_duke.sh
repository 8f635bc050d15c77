#!/usr/bin/env bash
# From Market-1501's labels to DukeMTMC-reID without labels.
#
# The paper reports (mAP/rank-1): JVTC warm-up mAP 56.5, joint 60.4/77.2.
# With the visual-temporal distance at the test (JVTC+, `--temporal`): 66.7 and 67.6/81.9.
set -euo pipefail
target=duke source=market joint="--set rho=0.002"
. "$(dirname "${BASH_SOURCE[0]}")/benchmark.sh"
