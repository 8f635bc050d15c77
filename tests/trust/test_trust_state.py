"""Bad state: what changed on the disk since it was written is noticed before it is used, and the reason is said."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from made_work import begun, interrupted, market, whole_chain
from reported_work import SMALL, make_encoder, make_generator, make_nasty, make_people, make_work, options
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from gcl_cli.artifacts.checkpoints import load_checkpoint, save_checkpoint
from gcl_cli.artifacts.files import sha256, write_json
from gcl_cli.artifacts.folders import found_folders
from gcl_cli.artifacts.formats import read_meshes, write_meshes
from gcl_cli.artifacts.layout import MADE_BY, WorkFolder
from gcl_cli.artifacts.manifest import FORMAT, MANIFEST, read_artifact, read_manifest
from gcl_cli.artifacts.run import METRICS, SHARDS, Run
from gcl_cli.artifacts.seals import is_whole, sealed
from gcl_cli.artifacts.view_store import ViewStore
from gcl_cli.body import shipped as shipped_files
from gcl_cli.body.shipped import DIGESTS, whole
from gcl_cli.cli import app
from gcl_cli.commands.evaluate import command as evaluate
from gcl_cli.commands.report import command as report
from gcl_cli.commands.report.curves import trainings
from gcl_cli.commands.report.heads import known_heads
from gcl_cli.commands.search import command as search
from gcl_cli.commands.search import index as index_module
from gcl_cli.commands.search.index import index_run, list_pictures, update_index
from gcl_cli.commands.status import run as status
from gcl_cli.errors import GclError
from gcl_cli.inventory.survey import survey
from gcl_cli.networks.identity_encoder import IdentityEncoder
from gcl_cli.networks.initialisation import initialise
from gcl_cli.people.data import open_data
from gcl_cli.people.shards import in_shards, shard_folder, work_through
from gcl_cli.records import MeshEstimates
from gcl_cli.weights.networks import (
    load_encoder,
    load_gan,
    new_gan,
    read_encoder,
    read_generator,
    save_networks,
)
from gcl_cli.weights.starting_weights import read_start

CPU = torch.device("cpu")
Use = Callable[[], object]


@contextmanager
def flipped(path: Path, bit: int) -> Iterator[None]:
    """One bit of a file is another inside."""
    before = path.read_bytes()
    content = bytearray(before)
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def some_bits(path: Path, count: int, rng: np.random.Generator) -> list[int]:
    """The first and the last bit of a file, and others anywhere."""
    bits = 8 * path.stat().st_size
    return [0, bits - 1, *rng.integers(0, bits, count - 2).tolist()] if bits else []


class Flips:
    """Flips bits and counts what becomes of it."""

    def __init__(self, per_file: int) -> None:
        self.per_file, self.rng = per_file, np.random.default_rng(7)
        self.files = self.refused = self.unused = 0

    def through(self, path: Path, use: Use) -> None:
        """Each flip must be refused, or change nothing of what is used."""
        right = use()
        self.files += 1
        for bit in some_bits(path, self.per_file, self.rng):
            with flipped(path, bit):
                try:
                    found = use()
                except GclError as error:
                    assert error.problem and error.fix
                    self.refused += 1
                else:
                    assert found == right, f"bit {bit} of {path} was used"
                    self.unused += 1

    @property
    def told(self) -> str:
        return (
            f"flipped {self.refused + self.unused} bits in {self.files} files: {self.refused} refused, "
            f"{self.unused} changed nothing that is used, 0 used"
        )


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Path:
    """A work folder with every artifact of the chain, whose contents nobody computed."""
    root = tmp_path_factory.mktemp("trust-chain")
    return whole_chain(root / "work", market(root / "data"))


@pytest.fixture
def work(chain, tmp_path) -> WorkFolder:
    shutil.copytree(chain, tmp_path / "work")
    return WorkFolder(tmp_path / "work")


def with_metrics(folder: Path) -> None:
    """The manifest of an artifact with the digest of its metrics."""
    found = read_manifest(folder)
    write_json(folder / MANIFEST, found.model_copy(update={"metrics": sha256(folder / METRICS)}).model_dump())


def typed(*words: str, code: int = 2) -> str:
    """What a command says on stderr; it must end without a traceback."""
    ran = CliRunner().invoke(app, list(words))
    assert ran.exit_code == code and (ran.exception is None or isinstance(ran.exception, SystemExit)), ran.exception
    assert "Traceback" not in ran.output
    return ran.output


# --- flipped bits -----------------------------------------------------------------------------------------------------


def test_a_flipped_bit_in_any_file_of_any_artifact_is_refused(work):
    flips = Flips(6)
    for found in found_folders(work):
        for path in sorted(found.folder.iterdir()):
            if path.name != METRICS:
                flips.through(path, lambda reference=found.reference: read_artifact(work, reference).manifest)
    assert flips.files == 16 and flips.refused > 90
    assert flips.unused <= 6  # in the name of the seal itself


def test_a_flipped_bit_in_the_record_of_the_data_set_is_refused(work):
    flips = Flips(60)
    flips.through(work.dataset_file, lambda: open_data(options(work.root), None).digest)
    assert flips.refused > 50
    with flipped(work.dataset_file, 8 * 30):
        said = " ".join(typed("status", "--work", str(work.root)).split())
    assert "dataset.json is damaged" in said and "gcl mesh DATA" in said


def test_a_flipped_bit_in_recorded_epochs_takes_the_curves_away_and_nothing_else(tmp_path):
    make_encoder(tmp_path, make_nasty(tmp_path / "people"))
    folder = tmp_path / "warmup" / "main"
    with_metrics(folder)
    flips = Flips(40)
    flips.through(folder / METRICS, lambda: trainings(survey(WorkFolder(tmp_path))))
    assert flips.refused == 40
    with flipped(folder / METRICS, 77):
        read_artifact(WorkFolder(tmp_path), "warmup/main")
        with pytest.raises(GclError, match=r"metrics\.jsonl is damaged") as caught:
            trainings(survey(WorkFolder(tmp_path)))
    assert "has no curves then" in caught.value.fix


@pytest.mark.parametrize("line", ["7", '{"epoch": "one"}', '{"epoch": 1', "{" * 9000, "\udc80"])
def test_epochs_of_a_training_at_work_that_are_no_records_are_refused(work, line):
    folder = interrupted(work.root, "joint/again")
    with (folder / METRICS).open("ab") as file:
        file.write(line.encode(errors="surrogateescape") + b"\n")
    with pytest.raises(GclError, match=r"metrics\.jsonl is damaged"):
        trainings(survey(work))
    assert status(str(work.root))["artifacts"]


def test_a_flipped_bit_in_what_an_interrupted_run_was_begun_with_is_refused(work):
    run = begun(work.root, "joint/again")
    with run.begin(restart=False):
        pass
    flips, path = Flips(40), run.folder / "run.json"

    def went_on() -> None:
        with begun(work.root, "joint/again").begin(restart=False) as again:
            assert again.config == run.config and again.inputs == run.inputs

    flips.through(path, went_on)
    assert flips.refused > 30


STATE = {"weights": {"conv": torch.arange(40.0)}, "step": 7, "rates": [0.1, 0.2], "rng": torch.arange(9).byte()}


def test_a_flipped_bit_in_a_checkpoint_lets_the_older_one_take_over(tmp_path):
    for number in (1, 2):
        save_checkpoint(tmp_path, number, {**STATE, "number": number})
    rng, tried = np.random.default_rng(3), 0
    for path in sorted((tmp_path / "000000002").iterdir()):
        for bit in some_bits(path, 30, rng):
            told: list[Path] = []
            with flipped(path, bit):
                found = load_checkpoint(tmp_path, passed_over=told.append)
            assert found is not None and found["number"] == 1 and told == [tmp_path / "000000002"]
            tried += 1
    assert tried == 90
    assert load_checkpoint(tmp_path)["number"] == 2


@pytest.mark.parametrize("file", ["tensors.safetensors", "tree.json", "digests.json"])
def test_a_checkpoint_without_one_of_its_files_is_passed_over(tmp_path, file):
    for number in (1, 2):
        save_checkpoint(tmp_path, number, {"number": number})
    (tmp_path / "000000002" / file).unlink()
    told: list[Path] = []
    assert load_checkpoint(tmp_path, passed_over=told.append) == {"number": 1} and len(told) == 1
    with pytest.raises(GclError, match="000000002 is damaged"):
        load_checkpoint(tmp_path)


def a_mesh(rows: int) -> MeshEstimates:
    rng = np.random.default_rng(rows)
    shapes = {"pose": (22, 3), "betas": (10,), "camera": (3,), "landmarks": (33, 3)}
    real = {name: rng.standard_normal((rows, *shape)).astype(np.float32) for name, shape in shapes.items()}
    return MeshEstimates(**real, score=np.ones(rows, np.float32), status=np.zeros(rows, np.uint8))


class Shards:
    """A run that makes a table in shards; remembers which it made."""

    def __init__(self, work: WorkFolder) -> None:
        self.job = Run(work, "mesh", "shards", {}, {})
        self.shards = in_shards("train", [f"{n}.jpg" for n in range(150)])
        self.made: list[int] = []

    def __call__(self) -> list[int]:
        """Work through what is left; the shards that were made now."""
        with self.job.begin(restart=False):
            before = len(self.made)
            work_through(self.job, self.shards, self._make, self._write, processes=1)
            for shard in self.shards:
                assert np.array_equal(read_meshes(self.folder(shard), "train")[1].pose, a_mesh(len(shard.names)).pose)
        return self.made[before:]

    def folder(self, shard) -> Path:
        return shard_folder(self.job, shard)

    def _make(self, shard) -> MeshEstimates:
        self.made.append(shard.number)
        return a_mesh(len(shard.names))

    def _write(self, folder, shard, meshes) -> None:
        write_meshes(folder, shard.split, shard.names, meshes)


def test_a_damaged_or_missing_shard_of_a_table_is_made_again(tmp_path):
    work_on = Shards(WorkFolder(tmp_path))
    assert work_on() == [0, 1, 2] and work_on() == []
    rng, folder = np.random.default_rng(5), work_on.folder(work_on.shards[1])
    for path in sorted(folder.iterdir()):
        for bit in some_bits(path, 4, rng):
            content = bytearray(path.read_bytes())
            content[bit // 8] ^= 1 << bit % 8
            path.write_bytes(content)
            assert work_on() == [1]
    (folder / "train.names.json").unlink()
    assert work_on() == [1]
    shutil.rmtree(work_on.folder(work_on.shards[2]))
    assert work_on() == [2] and all(is_whole(work_on.folder(shard)) for shard in work_on.shards)


class Gallery:
    """A folder of pictures of three bytes, which are their embeddings; counts what is embedded."""

    def __init__(self, root: Path) -> None:
        self.root, self.work, self.asked, self.stop_at = root / "gallery", WorkFolder(root / "work"), 0, 10**9
        self.root.mkdir()
        for number in range(6):
            (self.root / f"{number}.jpg").write_bytes(bytes([number, 1, 2]))

    def embed(self, names) -> np.ndarray:
        if self.asked >= self.stop_at:
            raise KeyboardInterrupt
        self.asked += len(names)
        return np.array([list((self.root / name).read_bytes()) for name in names], np.float32)

    def __call__(self) -> int:
        """Bring the index up to date; returns how many pictures were embedded."""
        before, listing = self.asked, list_pictures(self.root)
        table = update_index(self.job(listing), listing, self.embed, restart=False).table
        assert table.embeddings.tolist() == [[number, 1, 2] for number in range(6)]
        assert np.array_equal(table.stamps, listing.stamps)
        return self.asked - before

    def job(self, listing) -> Run:
        return index_run(self.work, listing, "warmup/main", {"warmup/main": "digest"})


def test_a_damaged_index_of_a_search_is_made_again_and_said(tmp_path, capsys):
    indexed = Gallery(tmp_path)
    assert indexed() == 6 and indexed() == 0
    rng, folder = np.random.default_rng(5), indexed.job(list_pictures(indexed.root)).final
    for name in [path.name for path in sorted(folder.iterdir()) if path.name != METRICS]:
        for bit in some_bits(folder / name, 4, rng):
            content = bytearray((folder / name).read_bytes())
            content[bit // 8] ^= 1 << bit % 8
            (folder / name).write_bytes(content)
            assert indexed() in ((6, 0) if name == MANIFEST else (6,)) and indexed() == 0
            assert "is indexed again" in capsys.readouterr().err or name == MANIFEST
    (folder / "gallery.names.json").unlink()
    assert indexed() == 6


def test_a_damaged_shard_of_an_index_is_embedded_again(tmp_path, monkeypatch):
    monkeypatch.setattr(index_module, "CHUNK", 2)
    indexed = Gallery(tmp_path)
    indexed.stop_at = 4
    with pytest.raises(KeyboardInterrupt):
        indexed()
    first = sorted((indexed.job(list_pictures(indexed.root)).folder / SHARDS).iterdir())[0]
    content = bytearray((first / "gallery.embeddings.safetensors").read_bytes())
    content[-1] ^= 1
    (first / "gallery.embeddings.safetensors").write_bytes(content)
    indexed.stop_at = 10**9
    assert indexed() == 4  # two that were lost, two that were left


@pytest.mark.parametrize("name", DIGESTS)
def test_a_changed_file_of_the_package_is_refused_and_those_shipped_are_whole(tmp_path, name):
    shipped = Path(shipped_files.__file__).parent / "assets" / name
    assert whole(shipped) == shipped
    copy = tmp_path / name
    shutil.copy(shipped, copy)
    with flipped(copy, 4001), pytest.raises(GclError, match="is damaged") as caught:
        whole(copy)
    assert "--force-reinstall" in caught.value.fix
    with pytest.raises(GclError, match="is missing"):
        whole(tmp_path / "elsewhere" / name)


# --- what was written by others, or before it broke -------------------------------------------------------------------


def rewritten(folder: Path, **changes) -> None:
    """A manifest with other entries, sealed as if gcl had written them."""
    record = json.loads((folder / MANIFEST).read_text())
    record.pop("seal")
    write_json(folder / MANIFEST, sealed({**record, **changes}))


@pytest.mark.parametrize("command", ["status", "clean", "report"])
def test_an_artifact_of_a_later_version_is_left_alone_and_named(work, command):
    folder = work.artifact("warmup")
    rewritten(folder, format=FORMAT + 1, versions={"gcl-cli": "9.8.7"}, later="something")
    with pytest.raises(GclError, match=r"made by a later version of gcl \(9\.8\.7; this is") as caught:
        read_artifact(work, "joint/main")
    assert "pip install -U gcl-cli" in caught.value.fix
    assert "later version of gcl (9.8.7" in typed(command, "--work", str(work.root))
    assert (folder / "weights.safetensors").exists()


def test_a_manifest_of_an_earlier_version_without_format_and_seal_is_read(work):
    path = work.artifact("mesh") / MANIFEST
    before = read_artifact(work, "mesh").manifest.model_copy(update={"metrics": None})
    write_json(path, {k: v for k, v in json.loads(path.read_text()).items() if k not in ("format", "seal", "metrics")})
    assert read_artifact(work, "mesh").manifest == before


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"text"', b"{}", b'{"stage": 1}', b"\xff\xfe", b"[" * 100_000, b"NaN", b"1" * 9000],
)
def test_a_manifest_that_is_none_is_refused_everywhere(work, content):
    path = work.artifact("mesh") / MANIFEST
    path.write_bytes(content)
    for use in (lambda: read_artifact(work, "mesh"), lambda: read_artifact(work, "render")):
        with pytest.raises(GclError, match=r"manifest\.json is (damaged|no manifest)") as caught:
            use()
        assert "make it again: gcl mesh DATA" in caught.value.fix
    rows = {row["artifact"]: row["state"] for row in status(str(work.root))["artifacts"]}
    assert rows["mesh/main"] == "damaged"


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": {"../../../secret": "0"}}, {"outputs": {"/etc/hostname": "0"}}, {"outputs": {"": "0"}},
        {"outputs": []}, {"config": None}, {"inputs": {"mesh/main": 3}}, {"result": "good"}, {"started": "yesterday"},
        {"finished": "2026-01-01T00:00:00"}, {"format": "new"}, {"format": None},
    ],
)  # fmt: skip
def test_a_manifest_of_another_shape_is_refused(work, changes):
    rewritten(work.artifact("mesh"), **changes)
    with pytest.raises(GclError, match=r"is no manifest: (outputs|config|inputs|result|started|finished|format)"):
        read_artifact(work, "mesh")


def test_artifacts_that_were_made_of_each_other_end(work):
    digest = read_artifact(work, "render").manifest.digest
    rewritten(work.artifact("mesh"), inputs={"render/main": digest})
    assert read_artifact(work, "render") and survey(work)


@pytest.mark.parametrize("kept", [0, 1, 200, -2])
def test_half_a_record_of_the_data_set_says_what_to_type(work, kept):
    content = work.dataset_file.read_bytes()
    work.dataset_file.write_bytes(content[:kept])
    with pytest.raises(GclError, match=r"dataset\.json is damaged") as caught:
        open_data(options(work.root), None)
    assert "gcl mesh DATA" in caught.value.fix


@pytest.mark.parametrize("file", ["weights.safetensors", MANIFEST])
def test_a_missing_file_of_an_artifact_is_named(work, file):
    (work.artifact("mesh") / file).unlink()
    with pytest.raises(GclError, match="mesh is damaged: weights" if file != MANIFEST else "mesh does not exist"):
        read_artifact(work, "mesh")


def test_a_folder_in_the_place_of_an_output_is_damage(work):
    (work.artifact("mesh") / "weights.safetensors").unlink()
    (work.artifact("mesh") / "weights.safetensors").mkdir()
    with pytest.raises(GclError, match="mesh is damaged: weights"):
        read_artifact(work, "mesh")


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A work folder with an encoder and a generator, untrained."""
    folder = tmp_path_factory.mktemp("trust-weights")
    make_encoder(folder / "work", make_nasty(folder / "people"))
    make_generator(folder / "work")
    return folder


def published_with(trained: Path, to: Path, reference: str, network: str, change) -> WorkFolder:
    """A copy of the work folder in which an artifact was published with other weights: its digests are right."""
    shutil.copytree(trained / "work", to)
    work = WorkFolder(to)
    folder = work.artifact(reference)
    path = folder / f"{network}.safetensors"
    tensors, header = load_file(path), {"architecture": SMALL.model_dump_json()}
    if change is None:
        path.write_bytes(b"no tensors")
    else:
        tensors, header = change(tensors, header)
        save_file(tensors, path, metadata=header)
    outputs = {**read_manifest(folder).outputs, path.name: sha256(path)}
    rewritten(folder, outputs=outputs)
    return work


def spoilt(value: float):
    def change(tensors, header):
        next(iter(t for t in tensors.values() if t.is_floating_point())).view(-1)[0] = value
        return tensors, header

    return change


def with_header(**update):
    return lambda tensors, header: (tensors, {"architecture": SMALL.model_copy(update=update).model_dump_json()})


CHANGES = {
    "NaN": (spoilt(float("nan")), "not finite"),
    "infinity": (spoilt(float("-inf")), "not finite"),
    "another trunk": (with_header(trunk="resnet50"), "does not hold the network"),
    "another width": (with_header(trunk_width=32), "does not hold the network"),
    "a missing tensor": (lambda t, h: (dict(list(t.items())[1:]), h), "does not hold the network"),
    "a stranger": (lambda t, h: ({**t, "stranger": torch.ones(1)}, h), "does not hold the network"),
    "no architecture": (lambda t, h: (t, {}), "does not say its architecture"),
    "an unknown architecture": (lambda t, h: (t, {"architecture": '{"trunk": "vit"}'}), "does not know"),
    "a later architecture": (lambda t, h: (t, {"architecture": '{"depth": 3}'}), "does not know"),
    "half an architecture": (lambda t, h: (t, {"architecture": '{"trunk'}), "does not know"),
    "no safetensors": (None, "no safetensors file|no whole safetensors"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_encoder_that_is_not_what_its_artifact_says_is_refused(trained, tmp_path, change):
    make, words = CHANGES[change]
    work = published_with(trained, tmp_path / "work", "warmup/main", "identity_encoder", make)
    read_artifact(work, "warmup/main")  # whole, as far as digests go
    with pytest.raises(GclError, match=words):
        load_encoder(*read_encoder(work, "warmup/main"), CPU)
    with pytest.raises(GclError):  # as a start it is read by another way
        read_start(work, "warmup/main")


@pytest.mark.parametrize("network", ["structure_encoder", "generator", "discriminator"])
@pytest.mark.parametrize("change", ["NaN", "infinity", "a missing tensor", "a stranger", "no safetensors"])
def test_a_generator_that_is_not_what_its_artifact_says_is_refused(trained, tmp_path, network, change):
    make, words = CHANGES[change]
    work = published_with(trained, tmp_path / "work", "gan-warmup/main", network, make)
    with pytest.raises(GclError, match=words):
        load_gan(read_generator(work, "gan-warmup/main"), SMALL, CPU)


@pytest.mark.parametrize("change", ["NaN", "another trunk", "half an architecture", "no safetensors"])
def test_the_command_line_says_it_in_two_lines(trained, tmp_path, change):
    work = published_with(trained, tmp_path / "work", "warmup/main", "identity_encoder", CHANGES[change][0])
    said = typed("cluster", "--work", str(work.root), "--device", "cpu", "--threads", "1")
    assert said.count("Error: ") == 1 and len([line for line in said.splitlines() if line.strip()]) <= 12
    assert not list(work.root.glob("cluster/main/*"))


# --- tables that do not fit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"{", b"{}", b"[1]", b"[[]]", b'["a", null]', b"\xff", b"[" * 100_000])
def test_names_that_are_no_list_of_names_are_refused(tmp_path, content):
    write_meshes(tmp_path, "train", ["a.jpg"], a_mesh(1))
    (tmp_path / "train.names.json").write_bytes(content)
    with pytest.raises(GclError, match=r"train\.names\.json is damaged") as caught:
        read_meshes(tmp_path, "train")
    assert "make it again" in caught.value.fix


def test_meshes_that_are_not_as_many_as_their_names_are_refused(tmp_path):
    write_meshes(tmp_path, "train", ["a.jpg", "b.jpg"], a_mesh(3))
    with pytest.raises(GclError, match="not one row for each of 2 names"):
        read_meshes(tmp_path, "train")
    save_file({"pose": torch.ones(2, 22, 3)}, tmp_path / "train.safetensors")
    with pytest.raises(GclError, match=r"train\.safetensors is damaged"):
        read_meshes(tmp_path, "train")


@pytest.mark.parametrize(
    "offsets", [[[0, 5, 900]], [[0, 9, 5]], [[-1, 5, 10]], [[0, 10]], [], [[0, 5, 10], [10, 11, 12]]]
)
def test_places_of_views_that_cannot_be_are_refused(tmp_path, offsets):
    (tmp_path / "train.pngs").write_bytes(bytes(10))
    (tmp_path / "train.names.json").write_text('["a.jpg"]')
    save_file({"offsets": torch.tensor(offsets, dtype=torch.int64)}, tmp_path / "train.index.safetensors")
    with pytest.raises(GclError, match=r"train\.(index\.safetensors|pngs) is damaged"):
        ViewStore(tmp_path, "train", (0, 90), (4, 4))


def test_damaged_landmarks_never_leave_a_face_unblurred(work):
    with flipped(work.artifact("mesh") / "weights.safetensors", 3), pytest.raises(GclError, match="mesh is damaged"):
        known_heads(work)


# --- a whole work folder, slowly --------------------------------------------------------------------------------------


def initialised(network):
    initialise(network, torch.Generator().manual_seed(4))
    return network


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    """Every kind of artifact, made by the stages themselves on tiny networks."""
    root = tmp_path_factory.mktemp("trust-real")
    people = make_people(root / "people")
    make_work(root / "work", people)
    run = options(root / "work")
    picture = next((people / "query").glob("*.jpg"))
    search.run(run, str(people / "bounding_box_test"), [str(picture)], str(root / "found"), {})
    joint = Run(WorkFolder(root / "work"), "joint", "main", {"preset": "tiny"}, {})
    with joint.begin(restart=False):
        networks = {"identity_encoder": initialised(IdentityEncoder(SMALL)), **new_gan(SMALL, 3, CPU)}
        (joint.folder / "selected").mkdir()
        save_networks(joint.folder, networks, SMALL)
        save_networks(joint.folder / "selected", {"identity_encoder": networks["identity_encoder"]}, SMALL)
        joint.record({"epoch": 1, "vi": 0.5})
        joint.publish({})
    for folder in (root / "work").glob("*/*"):
        if (folder / METRICS).is_file():
            with_metrics(folder)
    return root


@pytest.mark.slow
def test_no_flipped_bit_in_a_real_work_folder_is_ever_used(real):
    work, flips = WorkFolder(real / "work"), Flips(48)
    kinds: set[str] = set()
    for folder in sorted(path for path in work.root.glob("*/*") if path.is_dir()):
        kinds.add(folder.parent.name)
        reference = f"{folder.parent.name}/{folder.name}"
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if path.name == METRICS:
                flips.through(path, lambda: trainings(survey(work)))
            else:
                flips.through(path, lambda reference=reference: read_artifact(work, reference).manifest)
    flips.through(work.dataset_file, lambda: open_data(options(work.root), None).digest)
    assert kinds >= {*MADE_BY, "search"}
    print("\n" + flips.told)  # noqa: T201


@pytest.mark.slow
def test_no_command_uses_an_input_with_a_flipped_bit(real):
    work, run = real / "work", options(real / "work")
    picture = str(next((real / "people" / "query").glob("*.jpg")))
    commands: dict[str, Callable[[], object]] = {
        "mesh/main/train.safetensors": lambda: typed("render", "--work", str(work), "--name", "again"),
        "mesh/main/train.names.json": lambda: typed("render", "--work", str(work), "--name", "again"),
        "render/main/train.pngs": lambda: typed("gan-warmup", "--work", str(work), "--name", "again"),
        "warmup/main/identity_encoder.safetensors": lambda: evaluate.run(run, None, "warmup", {"bootstrap": 9}),
        "warmup/main/manifest.json": lambda: typed(
            "cluster", "--work", str(work), "--name", "again", "--encoder", "warmup"
        ),
        "gan-warmup/main/generator.safetensors": lambda: typed(
            "views", picture, "--work", str(work), "--generator", "gan-warmup"
        ),
        "gan-warmup/main/discriminator.safetensors": lambda: typed("joint", "--work", str(work), "--name", "again"),
        "dataset.json": lambda: typed("report", "--work", str(work)),
    }
    refused = 0
    for file, command in commands.items():
        for bit in some_bits(work / file, 3, np.random.default_rng(1)):
            with flipped(work / file, bit):
                try:
                    said = command()
                except GclError as error:
                    said = error.problem
                assert "damaged" in str(said), (file, said)
                refused += 1
    print(f"\nran {refused} commands on inputs with a flipped bit: {refused} refused")  # noqa: T201


@pytest.mark.slow
def test_a_report_shows_what_is_whole_and_names_what_is_not(real, tmp_path):
    shutil.copytree(real / "work", tmp_path / "work")
    run = options(tmp_path / "work")
    shown: dict[str, list[str]] = {}
    embeddings = "evaluate/warmup-main/query.embeddings.safetensors"
    for file in ("warmup/main/metrics.jsonl", "cluster/main/labels.csv", embeddings):
        with flipped(tmp_path / "work" / file, 99):
            rows = report.run(run, None, {}, encoder="warmup/main")["sections"]
        shown[file] = [row["section"] for row in rows if not row["shown"] and "damaged" in row["missing"]]
    assert shown == {
        "warmup/main/metrics.jsonl": ["Curves"],
        "cluster/main/labels.csv": ["Clusters", "Map of the embedding"],
        embeddings: ["Ranked lists"],
    }
