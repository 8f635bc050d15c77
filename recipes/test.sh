#!/usr/bin/env bash
# Lint, import contracts, types, tests. `bash recipes/test.sh -m slow` runs the slow tests instead.
# The report is tested in Chromium where there is one; a continuous integration (CI=true, as root) installs it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" "[test,render]"
if [ -n "${CI:-}" ] && [ "$(id -u)" = 0 ] && ! command -v chromium >/dev/null && command -v apt-get >/dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium; } \
        >/dev/null 2>&1 || echo "Chromium cannot be installed: the tests of the report in a browser are skipped." >&2
fi
ruff check .
ruff format --check .
lint-imports
mypy
if [ $# -eq 0 ]; then set -- -m "not slow"; fi
python -m pytest --numprocesses auto --dist loadfile "$@"
