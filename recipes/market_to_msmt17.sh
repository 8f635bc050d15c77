#!/usr/bin/env bash
# From Market-1501's labels to MSMT17 without labels.
#
# The paper reports (mAP/rank-1): JVTC warm-up mAP 17.1, joint 21.5/45.0.
# With the visual-temporal distance at the test (JVTC+, `--temporal`): 20.5 and 27.0/51.1.
set -euo pipefail
target=msmt17 source=market joint="--set rho=0.0012"
. "$(dirname "${BASH_SOURCE[0]}")/benchmark.sh"
