#!/usr/bin/env bash
# Market-1501 without any label.
#
# The paper reports (mAP/rank-1): JVTC warm-up 47.2/75.4, joint 63.4/83.7.
# With the visual-temporal distance at the test (JVTC+, `--temporal`): 50.9/79.1 and 66.8/87.3.
set -euo pipefail
target=market source= joint="--set rho=0.002"
. "$(dirname "${BASH_SOURCE[0]}")/benchmark.sh"
