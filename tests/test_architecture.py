import ast
import statistics
from pathlib import Path

import departures
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "gcl_cli").rglob("*.py"))
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
FUNCTIONS = [
    (name, node)
    for name, tree in TREES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
]
LENGTHS = [node.end_lineno - node.lineno + 1 for _, node in FUNCTIONS]


def imported_by(tree: ast.Module) -> set[str]:
    """The modules of this package that a file imports, wherever in its text."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name.replace(".", "/") + ".py" in TREES else node.module for name in names}
    return found


GRAPH = {name.removesuffix(".py").replace("/", "."): imported_by(tree) for name, tree in TREES.items()}
MATHEMATICS = ("losses", "clustering", "metrics", "networks", "training")


def test_the_import_contracts_hold(capfd):
    broken = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    said = capfd.readouterr().out
    assert not broken and "Contracts: 3 kept, 0 broken." in said, said


def test_every_module_of_a_shared_room_serves_at_least_two_commands():
    lonely = {module: served for module in shared_modules() if len(served := commands_served_by(module)) < 2}
    assert lonely == {}


def shared_modules() -> list[str]:
    rooms = ("following", "weights", "people", "retrieval", "inventory", "machine")
    return [name for name in GRAPH if name.split(".")[1] in rooms and not name.endswith("__init__")]


def commands_served_by(module: str) -> set[str]:
    """The commands that import a module, themselves or through others."""
    found, waiting = set(), [module]
    while waiting:
        importers = [name for name, imported in GRAPH.items() if waiting[-1] in imported and name not in found]
        waiting.pop()
        found |= set(importers)
        waiting += [name for name in importers if not name.startswith("gcl_cli.commands.")]
    return {name.split(".")[2] for name in found if name.startswith("gcl_cli.commands.")}


def test_no_function_is_longer_than_40_lines_without_a_reason_in_its_docstring():
    long = [
        f"{name}: {node.name} ({length})"
        for (name, node), length in zip(FUNCTIONS, LENGTHS, strict=True)
        if length > 40 and "Longer than 40 lines because" not in (ast.get_docstring(node) or "")
    ]
    assert long == []


def test_functions_are_short_in_the_middle(record_property):
    record_property("median_function_length", statistics.median(LENGTHS))
    assert statistics.median(LENGTHS) <= 15


def test_no_file_is_longer_than_300_lines():
    assert [path.name for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > 300] == []


def test_no_file_or_folder_is_a_drawer():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "core", "base", "tools", "stuff"}
    names = {part for path in FILES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert {name for name in names if drawers & set(name.split("_"))} == set()


def test_every_public_function_of_the_mathematics_explains_itself():
    rooms = tuple(f"gcl_cli/{room}/" for room in MATHEMATICS)
    silent = []
    for name, tree in TREES.items():
        for node in public_definitions(tree) if name.startswith(rooms) else []:
            if not ast.get_docstring(node):
                silent.append(f"{name}: {node.name}")
    assert silent == []


def public_definitions(tree: ast.Module | ast.ClassDef) -> list[ast.FunctionDef | ast.ClassDef]:
    """Functions, classes and their methods whose names begin with a letter."""
    own = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    return own + [method for n in own if isinstance(n, ast.ClassDef) for method in public_definitions(n)]


def test_every_file_says_what_it_is_for():
    silent = [n for n, tree in TREES.items() if not ast.get_docstring(tree) and not n.endswith("gcl_cli/__main__.py")]
    assert silent == []


def test_no_error_is_swallowed():
    swallowed = [
        f"{name}:{node.lineno}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or all(isinstance(line, ast.Pass | ast.Continue) for line in node.body))
    ]
    assert swallowed == []


def test_chance_is_never_global():
    banned = {"torch.manual_seed", "torch.seed", "np.random.seed", "random.seed", "numpy.random.seed"}
    calls = [
        f"{name}: {ast.unparse(node.func)}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in banned
    ]
    assert calls == []


def test_departures_are_gathered_over_several_lines_and_several_in_a_row(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "room.py").write_text(
        "# Paper: one. Here: two.\n# Paper: three,\n# four. Here: five\n#   six | seven.\nx = 1  # another remark\n"
        "text = '# Paper: no comment. Here: no comment.'\n\n# Paper: eight. Here: nine.\n\n# unrelated\n"
    )
    found = departures.gathered(tmp_path / "package")
    assert [tuple(d) for d in found] == [
        ("package/room.py", "one.", "two."),
        ("package/room.py", "three, four.", "five six | seven."),
        ("package/room.py", "eight.", "nine."),
    ]
    assert departures.table(found).splitlines()[3] == r"| `package/room.py` | three, four. | five six \| seven. |"


@pytest.mark.parametrize("comment", ["# Paper: one, and no word of what is done.", "# one. Here: two."])
def test_half_a_departure_is_refused(tmp_path, comment):
    (tmp_path / "room.py").write_text(comment + "\n")
    with pytest.raises(ValueError, match=r"room\.py: not of the form"):
        departures.gathered(tmp_path)


def test_every_departure_in_the_package_has_the_form():
    assert len(departures.gathered()) >= 15
