#!/usr/bin/env bash
# The everyday tests with the oldest versions that pyproject.toml allows, in a virtual environment of their own.
# torch and torchvision stay as pip chooses them (PIP_CONSTRAINT names others): their old builds are gigabytes.
#
#   GCL_OLDEST=DIR   the virtual environment (default: .venv-oldest)
#   PYTHON=NAME      the interpreter (default: python3)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
environment="${GCL_OLDEST:-.venv-oldest}"
[ -d "$environment" ] || "${PYTHON:-python3}" -m venv "$environment"
. "$environment/bin/activate"
oldest=$(mktemp)
trap 'rm -f "$oldest"' EXIT
python - >"$oldest" <<'PYTHON'
import tomllib
from pathlib import Path

for wanted in tomllib.loads(Path("pyproject.toml").read_text())["project"]["dependencies"]:
    if not wanted.startswith("torch"):
        print(wanted.replace(">=", "=="))
PYTHON
cat ${PIP_CONSTRAINT:-/dev/null} >>"$oldest"
PIP_CONSTRAINT="$oldest" python -m pip install --quiet --editable ".[test]"
python -m pytest -n auto --dist loadfile -m "not slow" "$@"
