#!/usr/bin/env bash
# DukeMTMC-reID without any label. Its owners have withdrawn the set: read docs/limits.md first.
#
# The paper reports (mAP/rank-1): JVTC warm-up 43.9/66.8, joint 53.3/72.4.
# With the visual-temporal distance at the test (JVTC+, `--temporal`): 52.8/74.9 and 62.8/82.9.
set -euo pipefail
target=duke source= joint="--set rho=0.002"
. "$(dirname "${BASH_SOURCE[0]}")/benchmark.sh"
