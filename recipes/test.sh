#!/usr/bin/env bash
# Lint, import contracts, types, tests. `bash recipes/test.sh -m slow` runs the slow tests instead.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" "[test,render]"
ruff check .
ruff format --check .
lint-imports
mypy
if [ $# -eq 0 ]; then set -- -m "not slow"; fi
python -m pytest --numprocesses auto --dist loadfile "$@"
