"""The front door and docs/: what they name exists, what they type parses, what is gathered from the code is current."""

import importlib
import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path

import departures
import pytest
import typer
from typer.main import get_command

import gcl_cli
from gcl_cli.cli import app
from gcl_cli.config.stages import STAGE_SETTINGS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path
    for folder, pattern in ((ROOT, "*.md"), (ROOT / "docs", "*.md"), (ROOT / "recipes", "*.md"))
    for path in folder.glob(pattern)
)
IDS = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]
COMMANDS = get_command(app).commands
UsageError = typer.BadParameter.__mro__[1]  # click's own, wherever this typer keeps it
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(file: str, name: str) -> str:
    """What a document has between the markers `<!-- name -->` and `<!-- /name -->`; it must have them."""
    match = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text_of(file), re.DOTALL)
    assert match, f"{file} has no section {name}"
    return match[1].strip()


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The headings of a document as links name them."""
    headings = re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_a_section_that_is_missing_fails():
    with pytest.raises(AssertionError, match="no section nowhere"):
        section("README.md", "nowhere")


def test_the_departures_are_those_of_the_code():
    wanted = departures.table(departures.gathered())
    assert section("docs/departures.md", "departures") == wanted, "run: python tests/departures.py"


def test_the_commands_are_those_of_the_program():
    rows = re.findall(r"^\| `gcl ([a-z-]+)[^`]*` \|", section("docs/commands.md", "commands"), re.MULTILINE)
    assert rows == list(COMMANDS)


def test_the_readme_stays_short_and_begins_with_what_this_is():
    lines = text_of("README.md").splitlines()
    assert len(lines) <= 200 and lines[0] == "# gcl"
    assert "https://arxiv.org/abs/2012.09071" in text_of("README.md")


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_every_link_leads_somewhere(path: Path):
    text = without_code(path.read_text(encoding="utf-8"))
    lost = []
    for _, _, target in LINK.findall(text):
        file, _, anchor = target.partition("#")
        if file.startswith("https://"):
            continue
        found = (path.parent / file).resolve() if file else path
        known = found.exists() and (not anchor or anchor in anchors(found.read_text(encoding="utf-8")))
        lost += [] if known else [target]
    assert lost == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_every_picture_says_in_words_what_it_shows(path: Path):
    """Where a picture cannot be shown, as on a package index, its text stands in its place."""
    pictures = [alt for mark, alt, _ in LINK.findall(path.read_text(encoding="utf-8")) if mark]
    assert all(len(alt) > 40 for alt in pictures)


def test_every_page_of_the_docs_is_reached_from_the_readme():
    linked = {target.partition("#")[0] for _, _, target in LINK.findall(text_of("README.md"))}
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= linked


def typed(text: str) -> list[tuple[str, bool]]:
    """Every command line that a document types, and whether it is whole: one in a sentence need not be."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    whole = [line.partition(" | ")[0] for line in lines if re.match(r"gcl |torchrun .*-m gcl_cli ", line)]
    inline = re.findall(r"`(gcl [^`]+)`", without_code(text).replace("\n", " "))
    return [(re.sub(r"^torchrun .*-m gcl_cli ", "gcl ", line), True) for line in whole] + [(s, False) for s in inline]


def settings_exist(command: str, words: list[str]) -> bool:
    """Whether every `--set KEY=VALUE` names a setting of the command, or of one of its methods."""
    keys = {word.partition("=")[0] for flag, word in pairwise(words) if flag == "--set" and command != "run"}
    models = [model for stage, model in STAGE_SETTINGS.items() if stage == command or stage.startswith(f"{command}-")]
    return keys <= {field for model in models for field in model.model_fields}


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_every_command_that_a_document_types_is_understood(path: Path):
    """Commands and options exist and have values of their kind; upper-case words stand for what a user names."""
    for line, whole in typed(path.read_text(encoding="utf-8")):
        _, name, *words = [word for word in shlex.split(line, comments=True) if word != "..."]
        if name.startswith("-") or name == "COMMAND":
            continue
        assert name in COMMANDS and settings_exist(name, words), line
        try:
            COMMANDS[name].make_context(f"gcl {name}", words)
        except typer.Exit:
            assert words[-1] == "--help", line
        except UsageError as error:
            said = error.format_message()
            assert "'NAME'" in said or (said.startswith("Missing ") and not whole), f"{line}: {said}"


def test_the_first_release_is_dated_and_what_follows_it_stands_above():
    headings = re.findall(r"^## (.*)$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    releases = [re.fullmatch(r"(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)", heading) for heading in headings[1:]]
    assert all(releases) and releases[-1][1] == "0.1.0"


def test_the_version_is_the_last_release_or_on_the_way_to_the_next():
    released = re.findall(r"^## (\d+\.\d+\.\d+) ", text_of("CHANGELOG.md"), re.MULTILINE)[0]
    now = [int(part) for part in re.match(r"(\d+)\.(\d+)\.(\d+)", gcl_cli.__version__).groups()]
    on_the_way = ".dev" in gcl_cli.__version__
    last = [int(part) for part in released.split(".")]
    assert now > last if on_the_way else now == last


def test_the_citation_names_the_last_release_the_paper_and_the_licence():
    text, changes = text_of("CITATION.cff"), text_of("CHANGELOG.md")
    version, date = re.search(r"^## (\d+\.\d+\.\d+) \((.*)\)$", changes, re.MULTILINE).groups()
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    for line in (f"version: {version}", f"date-released: {date}", f"license: {project['license']}"):
        assert f"\n{line}\n" in text, line
    assert project["urls"]["Paper"] in text


ARCHITECTURE = "docs/architecture.md"


def test_the_tree_has_every_room_in_the_order_of_the_imports():
    named = re.findall(r"^  (\w+(?:\.py|/)) ", section(ARCHITECTURE, "tree"), re.MULTILINE)
    package = ROOT / "gcl_cli"
    rooms = {f"{path.name}/" for path in package.iterdir() if (path / "__init__.py").exists()}
    files = {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    assert sorted(named) == sorted(rooms | files)
    layers = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]["layers"]
    wanted = [set(layer.split(" | ")) for layer in layers]
    names = [re.sub(r"\.py$|/$", "", name) for name in named]
    assert [layer for name in names for layer, others in enumerate(wanted) if name in others] == sorted(
        layer for layer, others in enumerate(wanted) for _ in others
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=IDS)
def test_every_file_that_a_document_names_exists(path: Path):
    named = re.findall(r"`((?:gcl_cli|tests|recipes|docs)/[\w./]*)`", path.read_text(encoding="utf-8"))
    assert [name for name in named if path.name != "CHANGELOG.md" and not (ROOT / name).exists()] == []


def test_every_name_of_the_architecture_exists():
    rooms = "|".join(path.name for path in (ROOT / "gcl_cli").iterdir())
    named = set(re.findall(rf"`((?:{rooms}|records)(?:\.[A-Za-z_]\w*)+)`", text_of(ARCHITECTURE))) - {"metrics.jsonl"}
    assert len(named) > 20
    assert [name for name in sorted(named) if not exists(name)] == []


def exists(name: str) -> bool:
    """Whether gcl_cli has a module, or something in a module, of this dotted name."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(("gcl_cli", *parts[:length])))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found is not None
    return False
