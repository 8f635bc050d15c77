#!/usr/bin/env bash
# MSMT17 without any label.
#
# The paper reports (mAP/rank-1): JVTC warm-up 13.4/36.0, joint 18.0/41.6.
# With the visual-temporal distance at the test (JVTC+, `--temporal`): 16.3/40.4 and 21.3/45.7.
set -euo pipefail
target=msmt17 source= joint="--set rho=0.0012"
. "$(dirname "${BASH_SOURCE[0]}")/benchmark.sh"
