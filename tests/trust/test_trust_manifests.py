"""Fuzzing of what gcl writes and reads again: any JSON gives a valid object, or a GclError that says what to do."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_work import begun, market, whole_chain
from reported_work import SMALL, options
from safetensors.numpy import save_file

from gcl_cli.artifacts.checkpoints import load_checkpoint, save_checkpoint
from gcl_cli.artifacts.files import write_json
from gcl_cli.artifacts.layout import WorkFolder
from gcl_cli.artifacts.manifest import MANIFEST, Manifest, read_artifact, read_manifest
from gcl_cli.artifacts.run import RUN
from gcl_cli.artifacts.seals import DIGESTS, read_sealed, seal_folder, sealed
from gcl_cli.artifacts.weights import read_architecture
from gcl_cli.cli.options import validated, validated_by_stage
from gcl_cli.commands.status import run as status
from gcl_cli.config import Architecture
from gcl_cli.config.presets import settings_for
from gcl_cli.config.stages import STAGE_SETTINGS
from gcl_cli.errors import GclError
from gcl_cli.people.data import open_data

QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
MANY = settings(QUIET, max_examples=4000, database=None)

plain = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["mesh/main", "../../etc", "main", "", "2026-01-01T00:00:00+00:00", "0" * 64, -1, 1 << 70, 1e308])
)  # fmt: skip
anything = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def mutants(valid: Any) -> st.SearchStrategy[Any]:
    """A valid JSON value with one part, at any depth, replaced, dropped or renamed; or any JSON value at all."""
    return st.one_of(_changed(valid), _changed(valid), anything)


@st.composite
def _changed(draw, value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value, key=str)))
        kind = draw(st.integers(0, 5))
        rest = {name: item for name, item in value.items() if name != key}
        if kind == 0:
            return rest
        if kind == 1:
            return {**rest, draw(st.text(max_size=6)): value[key]}
        return {**value, key: draw(_changed(value[key]))}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(_changed(value[place])), *value[place + 1 :]]
    return draw(anything)


def garbled(text: str) -> st.SearchStrategy[bytes]:
    """A text cut short, with bytes changed, or any bytes."""
    content = text.encode()
    cut = st.integers(0, len(content)).map(lambda end: content[:end])
    changed = st.tuples(st.integers(0, len(content) - 1), st.binary(max_size=3)).map(
        lambda pair: content[: pair[0]] + pair[1] + content[pair[0] + 1 :]
    )
    return cut | changed | st.binary(max_size=40)


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> WorkFolder:
    root = tmp_path_factory.mktemp("trust-manifests")
    whole_chain(root / "work", market(root / "data"))
    with begun(root / "work", "joint/begun").begin(restart=False):
        pass
    return WorkFolder(root / "work")


class Tries:
    """Counts what becomes of tries: a result, or a GclError with both lines."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, use: Callable[[], Any]) -> Any:
        try:
            found = use()
        except GclError as error:
            assert error.problem.strip() and error.fix.strip()
            self.counts["refused"] += 1
            return None
        self.counts["valid"] += 1
        return found

    def tell(self, what: str) -> None:
        total = self.counts.total()
        print(  # noqa: T201
            f"\n{what}: {total:,} executions, {self.counts['refused']:,} refused with a reason, "
            f"{self.counts['valid']:,} valid, 0 tracebacks"
        )
        assert self.counts["refused"] > total / 10


def record(path: Path) -> dict[str, Any]:
    return read_sealed(path, "delete it")


# --- manifests --------------------------------------------------------------------------------------------------------


def fuzz_manifests(work: WorkFolder, example: settings, tries: Tries) -> None:
    path = work.artifact("mesh") / MANIFEST
    before = path.read_bytes()
    valid = record(path)

    @given(found=mutants(valid), seal=st.booleans())
    @settings(example)
    def check(found, seal):
        write_json(path, sealed(found) if seal and isinstance(found, dict) else found)
        manifest = tries(lambda: read_manifest(path.parent))
        assert manifest is None or (isinstance(manifest, Manifest) and Manifest(**manifest.model_dump()) == manifest)
        tries(lambda: read_artifact(work, "render"))
        tries(lambda: status(str(work.root)))

    try:
        check()
    finally:
        path.write_bytes(before)


def uses(work: WorkFolder) -> dict[Path, Callable[[], Any]]:
    """The small records of a work folder, and a command that reads each."""
    partial = work.artifact("joint/begun").with_name("begun.partial")
    return {
        work.artifact("mesh") / MANIFEST: lambda: read_artifact(work, "render"),
        work.dataset_file: lambda: open_data(options(work.root), None),
        partial / RUN: lambda: _went_on(work),
    }


def _went_on(work: WorkFolder) -> None:
    with begun(work.root, "joint/begun").begin(restart=False):
        pass


def fuzz_file(
    work: WorkFolder, path: Path, contents: st.SearchStrategy[bytes], example: settings, tries: Tries
) -> None:
    """Read a record whose bytes are others; the file is put back."""
    before, use = path.read_bytes(), uses(work)[path]

    @given(content=contents)
    @settings(example)
    def check(content):
        path.write_bytes(content)
        tries(use)
        tries(lambda: status(str(work.root)))

    try:
        check()
    finally:
        path.write_bytes(before)


def fuzz_bytes(work: WorkFolder, example: settings, tries: Tries) -> None:
    """Half a file, changed bytes, any bytes."""
    for path in uses(work):
        fuzz_file(work, path, garbled(path.read_text(encoding="utf-8")), example, tries)


def fuzz_records(work: WorkFolder, example: settings, tries: Tries) -> None:
    """Whole JSON of other shapes, sealed or not."""
    for path in uses(work):
        values = mutants(record(path))
        sealed_values = values.map(lambda found: sealed(found) if isinstance(found, dict) else found)
        texts = st.one_of(values, sealed_values).map(json.dumps).map(str.encode)
        fuzz_file(work, path, texts, example, tries)


# --- checkpoints ------------------------------------------------------------------------------------------------------

STATE = {
    "state": {"weights": torch.arange(3.0), "step": 1, "rates": [0.1, None], 0: {"deep": torch.ones(2)}},
    "lines": 2,
}


def fuzz_checkpoints(root: Path, example: settings, tries: Tries) -> None:
    save_checkpoint(root, 1, STATE)
    folder = root / "000000001"
    valid, tensors = json.loads((folder / "tree.json").read_text()), (folder / "tensors.safetensors").read_bytes()

    @given(tree=mutants(valid), seal=st.integers(0, 3), content=st.one_of(st.just(tensors), st.binary(max_size=60)))
    @settings(example)
    def check(tree, seal, content):
        write_json(folder / "tree.json", tree)
        (folder / "tensors.safetensors").write_bytes(content)
        if seal:
            (folder / DIGESTS).unlink()
            seal_folder(folder)
        found = tries(lambda: load_checkpoint(root))
        assert found is None or isinstance(found, dict)
        told: list[Path] = []
        assert load_checkpoint(root, passed_over=told.append) is not None or told == [folder]

    check()


# --- settings ---------------------------------------------------------------------------------------------------------

words = st.one_of(
    st.text(max_size=12), st.integers().map(str), st.floats().map(str), st.booleans().map(str), st.sampled_from(
        ["none", "", "1,2", ",", "0.5,", "nan", "inf", "-1", "1e999", "9" * 5000, "true", "gan,vi", "{}", "\x00", "٣"]
    )
)  # fmt: skip
stages = st.sampled_from(sorted(STAGE_SETTINGS))


@st.composite
def chosen(draw) -> tuple[str, list[str]]:
    """A stage, and what is typed after `--set`."""
    stage = draw(stages)
    fields = STAGE_SETTINGS[stage].model_fields
    pairs = []
    for _ in range(draw(st.integers(1, 2))):
        key = draw(st.sampled_from(sorted(fields)))
        default = fields[key].default
        usual = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        pair = f"{key}={draw(st.one_of(st.just(usual), words))}"
        pairs.append(draw(st.one_of(st.just(pair), st.just(pair), st.text(max_size=8), st.just(pair.replace("=", "")))))
    return stage, pairs


def fuzz_settings(example: settings, tries: Tries) -> None:
    @given(typed=chosen())
    @settings(example)
    def check(typed):
        stage, pairs = typed
        model = STAGE_SETTINGS[stage]
        found = tries(lambda: validated(stage, model, {}, pairs))
        if found is not None:
            assert found.keys() <= model.model_fields.keys()
            tries(lambda: settings_for(model, stage, "tiny", found))
        tries(lambda: validated_by_stage([f"{stage}.{pair}" for pair in pairs], tuple(STAGE_SETTINGS)))

    check()


def fuzz_architectures(root: Path, example: settings, tries: Tries) -> None:
    """Headers of weight files."""
    path = root / "w.safetensors"

    @given(found=mutants(SMALL.model_dump(mode="json")), text=st.text(max_size=30), is_text=st.booleans())
    @settings(example)
    def check(found, text, is_text):
        header = text if is_text else json.dumps(found)
        save_file({}, path, metadata={"architecture": header})
        architecture = tries(lambda: read_architecture(path))
        assert architecture is None or isinstance(architecture, Architecture)

    check()


# --- the tests --------------------------------------------------------------------------------------------------------

FEW = settings(QUIET, max_examples=25)


def test_any_manifest_is_read_or_refused(work):
    fuzz_manifests(work, QUIET, Tries())


def test_any_bytes_in_the_place_of_a_record_are_refused(work):
    fuzz_bytes(work, FEW, Tries())


def test_any_record_of_a_run_or_a_data_set_is_read_or_refused(work):
    fuzz_records(work, FEW, Tries())


def test_any_checkpoint_is_read_or_passed_over(tmp_path):
    fuzz_checkpoints(tmp_path, QUIET, Tries())


def test_any_setting_is_taken_or_refused():
    fuzz_settings(QUIET, Tries())


def test_any_architecture_is_known_or_refused(tmp_path):
    fuzz_architectures(tmp_path, QUIET, Tries())


@pytest.mark.parametrize("stage", sorted(STAGE_SETTINGS))
@pytest.mark.parametrize("preset", ["paper", "small", "tiny"])
def test_what_was_recorded_of_settings_reads_back_as_the_same(stage, preset):
    model = STAGE_SETTINGS[stage]
    found = settings_for(model, stage, preset, {})
    assert model(**json.loads(json.dumps(found.model_dump(mode="json")))) == found


@pytest.mark.slow
def test_very_many_manifests_and_records(work):
    for what, fuzz in (("manifests", fuzz_manifests), ("bytes", fuzz_bytes), ("records", fuzz_records)):
        tries = Tries()
        fuzz(work, settings(MANY, max_examples=400), tries)
        tries.tell(f"fuzzed {what} (manifest.json, run.json, dataset.json)")


@pytest.mark.slow
def test_very_many_checkpoints_settings_and_architectures(tmp_path):
    tries = Tries()
    fuzz_checkpoints(tmp_path / "checkpoints", settings(MANY, max_examples=1500), tries)
    tries.tell("fuzzed trees of checkpoints")
    tries = Tries()
    fuzz_settings(MANY, tries)
    tries.tell("fuzzed settings (--set)")
    tries = Tries()
    fuzz_architectures(tmp_path, settings(MANY, max_examples=2000), tries)
    tries.tell("fuzzed architectures in the headers of weight files")
