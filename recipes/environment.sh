# Sourced by the recipes: a virtual environment with this project in it.
# Uses the active one, else .venv in the checkout (made when it is missing). $1: extras to install, e.g. "[test]"; any
# other $1 is the recipe's own first argument, which a sourced file sees where it is given none.
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$root"
if [ -z "${VIRTUAL_ENV:-}" ]; then
    python="${PYTHON:-python3}"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "Error: gcl needs Python 3.11 or newer; found $("$python" --version)." >&2
        echo "Name one: PYTHON=python3.12 bash $0" >&2
        exit 2
    }
    [ -d .venv ] || "$python" -m venv .venv
    . .venv/bin/activate
fi
case "${1:-}" in "["*"]") extras="$1" ;; *) extras="" ;; esac
stamp="$VIRTUAL_ENV/.gcl-installed$extras"
if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    echo "Installing gcl$extras into $VIRTUAL_ENV ..." >&2
    python -m pip install --quiet --editable ".$extras"
    touch "$stamp"
fi
