"""Broken, hostile and odd folders, and every command on them: a result that adds up, a named warning, or a remedy."""

import json
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import broken_corpus as corpus
import pytest
import torch
from typer.testing import CliRunner, Result

from gcl_cli.artifacts import picture_lists
from gcl_cli.artifacts.tables import read_table
from gcl_cli.cli import app
from gcl_cli.commands.doctor import machine
from gcl_cli.commands.doctor.labels import look_at_names, open_for_looking
from gcl_cli.commands.doctor.pictures import look_at_pictures
from gcl_cli.commands.search.index import list_pictures
from gcl_cli.config import presets
from gcl_cli.datasets.catalogue import open_dataset, resolve
from gcl_cli.datasets.decoding import read_crop
from gcl_cli.datasets.listing import find_pictures, require_fit
from gcl_cli.errors import GclError
from gcl_cli.people.given_files import folder_names, picture_files, target_folder

TRAIN, QUERY, GALLERY = corpus.MARKET
SECONDS = 60  # longer is a hang
CLUSTERING = {"radius": 0.5, "k1": 8, "k2": 3, "min_samples": 2, "precision": "fp32"}
TOY = {
    "architecture": {
        "trunk": "resnet18", "trunk_width": 16, "height": 64, "width": 32, "generator_width": 4,
        "modulation_width": 16, "discriminator_width": 4, "discriminator_scales": 2, "padding": "zeros",
    },
    "warmup": {"epochs": 1, "iterations": 2, "people": 4, "pictures": 2, "batchnorm_groups": 1, "init": "none",
               **CLUSTERING},
    "gan-warmup": {"epochs": 1, "reconstruction_epochs": 0, "iterations": 1, "batch_size": 4},
    "joint": {"epochs": 1, "iterations": 1, "batch_size": 4, **CLUSTERING},
    "cluster": {name: value for name, value in CLUSTERING.items() if name != "precision"},
}  # fmt: skip
MEASURES = "encoder,dssim,identity"
HERE = ("--threads", "1", "--device", "cpu")
COMMANDS: dict[str, tuple[str, ...]] = {  # what reads pictures, beside a data set `data` with a picture `victim`
    "mesh": ("mesh", "data", *HERE, "--set", "sheet=1", "--restart"),
    "render": ("render", "--threads", "1", "--height", "64", "--width", "32", "--backend", "numpy", "--restart"),
    "warmup": ("warmup", "data", "--preset", "tiny", *HERE, "--name", "again"),
    "gan-warmup": ("gan-warmup", *HERE, "--restart"),
    "joint": ("joint", *HERE, "--restart"),
    "cluster": ("cluster", *HERE, "--restart"),
    "evaluate": ("evaluate", "--encoder", "warmup/main", *HERE, "--restart"),
    "gen-metrics": ("gen-metrics", *HERE, "--measures", MEASURES, "--angles", "90", "--restart"),
    "gen-metrics of folders": (
        "gen-metrics", *HERE, "--real", f"data/{TRAIN}", "--generated", f"data/{GALLERY}", "--encoder", "warmup/main",
        "--measures", MEASURES, "--restart",
    ),
    "doctor": ("doctor", "data", "--json"),
    "views": ("views", "VICTIM", "--to", "views", "--device", "cpu", "--angles", "90"),
    "search": ("search", "data", "QUERY", "--to", "found", "--device", "cpu", "--restart"),
    "search for it": ("search", f"data/{QUERY}", "VICTIM", "--to", "found", "--device", "cpu", "--restart"),
    "run": ("run", "data", "--preset", "tiny", *HERE, "--work", "other", "--until", "warmup"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_hanging() -> Iterator[None]:
    with corpus.alarm(SECONDS):
        yield


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Path:
    """An empty folder to be in, with networks that train in seconds and a doctor that tries no renderer."""
    threads = torch.get_num_threads()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GCL_WORK", raising=False)
    monkeypatch.setitem(presets.PRESETS, "tiny", TOY)
    monkeypatch.setattr(machine, "choose_backend", lambda name: (name, "asked for"))
    yield tmp_path
    torch.set_num_threads(threads)


def gcl(*words: str) -> Result:
    """Run a command; it must end with a result or an error in words, and before long."""
    signal.alarm(SECONDS)
    ran = CliRunner().invoke(app, list(words))
    if ran.exception is not None and not isinstance(ran.exception, SystemExit):
        raise AssertionError(f"gcl {' '.join(words)}: a traceback") from ran.exception
    assert ran.exit_code in (0, 1, 2), ran.stderr
    assert "Traceback" not in ran.stderr and "\x1b" not in ran.stderr
    if ran.exit_code == 2:
        *_, problem, fix = (line for line in ran.stderr.splitlines() if line.strip())
        assert problem.startswith("Error: ") and fix, ran.stderr
    return ran


def plain(folder: Path, number: int) -> Path:
    """A plain folder of sound pictures."""
    folder.mkdir()
    for row in range(number):
        corpus.named(folder, f"person {row}", row)
    return folder


# ---- listing ----


@pytest.mark.parametrize("where", ["plain", "market", "msmt17"])
@pytest.mark.parametrize("kind", corpus.IRREGULAR)
def test_what_is_called_like_a_picture_and_is_none_is_an_error_that_names_it(tmp_path, kind, where):
    write, why = corpus.IRREGULAR[kind]
    if where == "plain":
        root = place = plain(tmp_path / "data", 2)
    elif where == "market":
        root = corpus.market(tmp_path / "data")
        place = root / QUERY
    else:
        root, place = tmp_path / "data", tmp_path / "data/train"
        place.mkdir(parents=True)
        (root / "list_train.txt").write_text("")
    write(place / "0001_c1s1_000001_00.jpg")
    with pytest.raises(GclError, match=rf"0001_c1s1_000001_00\.jpg \(.*{why}.*\) that cannot be used as pictures"):
        open_dataset(root, allow_subset=True)


def test_names_in_every_script_are_taken_letter_by_letter_and_twins_apart(tmp_path):
    root = plain(tmp_path / "data", 0)
    for number, name in enumerate(corpus.GOOD_NAMES):
        corpus.named(root, name, number)
    names = [sample.name for sample in open_dataset(root, allow_subset=False).splits["train"]]
    assert names == sorted(f"{name}.png" for name in corpus.GOOD_NAMES)
    assert {"caf\u00e9.png", "cafe\u0301.png"} <= set(names)


@pytest.mark.parametrize("name", corpus.BAD_NAMES)
def test_names_that_no_list_can_hold_are_refused_and_shown_escaped(tmp_path, name):
    root = plain(tmp_path / "data", 2)
    corpus.named(root, name)
    with pytest.raises(GclError, match="control characters or bytes that are no UTF-8") as refused:
        open_dataset(root, allow_subset=False)
    assert refused.value.problem.isprintable() and "\\" in refused.value.problem
    for use in (picture_files, lambda names: target_folder(names[0])):
        with pytest.raises(GclError, match="control character"):
            use([os.fsdecode(bytes(tmp_path) + b"/" + name)])


@pytest.mark.parametrize("name", corpus.BAD_NAMES)
def test_a_data_set_in_a_folder_of_such_a_name_is_refused(tmp_path, name):
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/" + name))
    corpus.market(folder)
    plain(folder / "inside", 2)
    for root in (folder, folder / "inside"):
        with pytest.raises(GclError, match="control character") as refused:
            open_dataset(root, allow_subset=False)
        assert refused.value.problem.isprintable()
    with pytest.raises(GclError):
        require_fit(str(folder))


def test_loops_of_links_end_and_are_told(tmp_path):
    root = plain(tmp_path / "data", 3)
    (root / "deep").mkdir()
    (root / "loop").symlink_to(root)
    (root / "deep/up").symlink_to("..")
    (root / "endless").symlink_to("endless")
    found = find_pictures(root)
    assert len(found.names) == 3
    assert found.remarks == ("Linked folders are not followed: deep/up, loop.",)


def test_a_folder_called_like_a_picture_is_a_folder(tmp_path):
    root = plain(tmp_path / "data", 1)
    corpus.folder_of_pictures(root / "people.jpg")
    assert find_pictures(root).names == ("people.jpg/inside.png", "person 0.png")
    market = corpus.market(tmp_path / "labelled")
    corpus.folder_of_pictures(market / QUERY / "0001_c1s1_000001_00.jpg")
    remarks = " ".join(open_dataset(market, allow_subset=False).remarks)
    assert f"were left out: {QUERY}/0001_c1s1_000001_00.jpg/inside.png." in remarks  # no folder says a name by itself


def test_pictures_of_other_formats_are_told_not_dropped(tmp_path, capsys):
    root = plain(tmp_path / "data", 2)
    for name in ("a.avif", "b.TIFF", "c.heic", "notes.txt", ".hidden.tif"):
        (root / name).write_bytes(b"x")
    remark = "3 pictures in formats that are not read (convert them to jpg or png): a.avif, b.TIFF, c.heic."
    assert remark in open_dataset(root, allow_subset=False).remarks
    assert len(list_pictures(root)) == 2 and remark in capsys.readouterr().err.replace("\n", " ")
    dataset, _ = open_for_looking(root)
    assert remark in [finding.found for finding in look_at_names(dataset)]
    for path in root.glob("*.png"):
        path.unlink()
    with pytest.raises(GclError, match=r"holds no pictures\. 3 pictures in formats that are not read"):
        open_dataset(root, allow_subset=False)


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A data set with a picture and a folder that nobody may read, and this process without the rights of root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    corpus.market(folder / "data")
    (folder / "data" / TRAIN / "0001_c1s1_000000_00.png").chmod(0)
    (folder / "data" / QUERY).chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield folder / "data"
    if is_root:
        os.seteuid(0)
    (folder / "data" / QUERY).chmod(0o777)
    shutil.rmtree(folder)


def test_folders_and_pictures_without_rights_are_named(nobody):
    with pytest.raises(GclError, match=r"0001_c1s1_000000_00\.png cannot be read: Permission denied"):
        read_crop(nobody, f"{TRAIN}/0001_c1s1_000000_00.png")
    with pytest.raises(GclError, match=r"query cannot be read: Permission denied"):
        open_dataset(nobody, allow_subset=False)
    with pytest.raises(GclError, match=r"query cannot be read: Permission denied"):
        find_pictures(nobody)


@pytest.mark.parametrize("typed", ["~nobody-of-this-name/x", "x" * 5000, "a\0b", "/dev/null/x", "/dev/zero", ""])
def test_paths_that_lead_nowhere_are_told(typed, tmp_path):
    for find in (lambda: resolve(typed, tmp_path), lambda: picture_files([typed])):
        try:
            find()
        except GclError as error:
            assert error.problem and error.fix
        else:
            assert typed == ""  # the current folder


def test_derived_folder_names_fit_every_file_system():
    files = [Path(f"{name}.png") for name in (*corpus.GOOD_NAMES, "𝒜" * 60, "CAFÉ", "cafe\u0301")]
    names = folder_names(files)
    assert len({name.casefold() for name in names}) == len(files)
    assert all(len(name.encode()) < 250 and "/" not in name and name.isprintable() for name in names)


# ---- data sets whose names or contents are odd ----


def renamed(root: Path, split: str, change: Callable[[str], str | None]) -> Path:
    """Rename the pictures of a split; None removes them."""
    for path in sorted((root / split).iterdir()):
        name = change(path.name)
        path.unlink() if name is None else path.rename(path.with_name(name))
    return root


def alike(root: Path) -> Path:
    """The same picture everywhere."""
    for path in root.rglob("*.png"):
        path.write_bytes(corpus.encoded("PNG"))
    return root


ODD: dict[str, Callable[[Path], Path]] = {
    "five pictures": lambda root: plain(root, 5),
    "three pictures": lambda root: plain(root, 3),
    "one person": lambda root: corpus.market(root, people=2, pictures=3),
    "one camera": lambda root: corpus.market(root, people=6, cameras=1, pictures=3),
    "all pictures alike": lambda root: alike(corpus.market(root, people=6)),
    "queries that nobody answers": lambda root: renamed(corpus.market(root), QUERY, lambda n: "0099" + n[4:]),
    "queries of distractors": lambda root: renamed(corpus.market(root), QUERY, lambda n: "0000" + n[4:]),
    "a gallery of distractors": lambda root: renamed(corpus.market(root), GALLERY, lambda n: "0000" + n[4:]),
    "a gallery of junk": lambda root: renamed(corpus.market(root), GALLERY, lambda n: "-1" + n[4:]),
    "person numbers of thirty digits": lambda root: renamed(corpus.market(root), TRAIN, lambda n: "9" * 30 + n),
    "no person numbers": lambda root: renamed(corpus.market(root), TRAIN, lambda n: n[4:]),
    "negative person numbers": lambda root: renamed(corpus.market(root), TRAIN, lambda n: "-" + n),
    "camera numbers of four digits": lambda root: renamed(
        corpus.market(root), TRAIN, lambda n: n.replace("_c2", "_c9999")
    ),
    "no training picture": lambda root: renamed(corpus.market(root), TRAIN, lambda n: None),
    "no query": lambda root: renamed(corpus.market(root), QUERY, lambda n: None),
    "no gallery folder": lambda root: (corpus.market(root), shutil.rmtree(root / GALLERY), root)[2],
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_odd_data_sets_open_or_are_refused_and_the_doctor_says_why(tmp_path, kind):
    root = ODD[kind](tmp_path / "data")
    on_disk = len(list(root.rglob("*.png")))
    try:
        dataset = open_dataset(root, allow_subset=False)
    except GclError as error:
        assert error.problem and error.fix
        assert open_for_looking(root)[1][0].level == "problem"
        return
    assert sum(len(samples) for samples in dataset.splits.values()) == on_disk
    findings = [*look_at_names(dataset), *look_at_pictures(dataset)]
    assert any(finding.level != "ok" for finding in findings) or kind in (
        "three pictures", "one person", "camera numbers of four digits",
    )  # fmt: skip


@pytest.mark.slow
def test_every_odd_data_set_through_the_whole_chain(toy):
    outcomes: Counter[str] = Counter()
    for kind, make in ODD.items():
        shutil.rmtree(toy / "data", ignore_errors=True)
        shutil.rmtree(toy / "work", ignore_errors=True)
        root = make(toy / "data")
        trained = len(list((root / TRAIN).iterdir())) if (root / TRAIN).is_dir() else len(list(root.iterdir()))
        ran = gcl(
            "run", "data", "--preset", "tiny", *HERE, "--set", f"gen-metrics.measures={MEASURES}",
            "--set", "render.backend=numpy", "--set", "gen-metrics.angles=90", "--set", "mesh.sheet=1",
        )  # fmt: skip
        outcomes["through" if ran.exit_code == 0 else "refused"] += 1
        if (toy / "work/mesh/main/manifest.json").exists():
            status = json.loads((toy / "work/mesh/main/manifest.json").read_text())["result"]["status"]
            assert sum(status["train"].values()) == trained, kind
        gcl("doctor", "data", "--json")
    print(  # noqa: T201
        f"\nodd data sets: tried {len(ODD)}, through the whole chain {outcomes['through']}, refused with a remedy "
        f"{outcomes['refused']}, tracebacks 0, hangs 0"
    )


# ---- every command on every broken picture ----


@pytest.mark.slow
def test_odd_but_readable_pictures_go_through_every_command_and_none_is_lost(toy):
    root = plain(toy / "data", 0)
    for number, (kind, (ending, write)) in enumerate(corpus.READ.items()):
        write(root / f"{number:02d} {kind}{ending}")
    for number, name in enumerate(corpus.GOOD_NAMES):
        corpus.named(root, name, 100 + number)
    names = sorted(path.name for path in root.iterdir())
    query = str(root / names[0])
    shutil.copytree(root, toy / "also" / QUERY)
    succeeded = []
    for command, words in COMMANDS.items():
        if command in ("evaluate", "gen-metrics of folders", "search for it"):  # of people with labels
            continue
        ran = gcl(*(word.replace("VICTIM", query).replace("QUERY", query) for word in words_for_main(words)))
        assert ran.exit_code == 0, ran.stderr
        succeeded.append(command)
    record = json.loads((toy / "work/dataset.json").read_text())
    assert record["pictures"] == {"train": len(names)}
    for file in ("mesh/main/train.names.json", "render/main/train.names.json"):
        assert json.loads((toy / "work" / file).read_text()) == names
    (index,) = (toy / "work/search").glob("data-*/gallery.names.json")
    assert json.loads(index.read_text()) == names
    status = json.loads((toy / "work/mesh/main/manifest.json").read_text())["result"]["status"]["train"]
    assert sum(status.values()) == len(names)
    assert [row["name"] for row in read_table(toy / "work/cluster/main/labels.csv")] == names
    assert not (toy / "pwned").exists()
    print(  # noqa: T201
        f"\nodd but readable pictures: tried {len(names)} in {len(succeeded)} commands, in every artifact "
        f"{len(names)}, lost 0"
    )


def words_for_main(words: tuple[str, ...]) -> list[str]:
    """A command of the matrix, writing `main` for the first time."""
    return [word for word in words if word not in ("--name", "again")]


@pytest.mark.slow
def test_every_command_on_every_broken_picture(toy, monkeypatch):
    """Each picture takes the place of a sound one after all artifacts were made, unnoticed by the digest."""
    root = corpus.market(toy / "data", people=6)
    victims = [sorted((root / split).iterdir())[1] for split in (TRAIN, GALLERY)]
    query = str(sorted((root / QUERY).iterdir())[0])
    monkeypatch.setattr(picture_lists, "_stamp", lambda path: (1, "unnoticed"))

    def words(command: str) -> list[str]:
        spoken = {"VICTIM": str(victims[0]), "QUERY": query}
        return [spoken.get(word, word) for word in COMMANDS[command]]

    for command in COMMANDS:
        assert gcl(*words_for_main(tuple(words(command)))).exit_code == 0, command
    sound = [path.read_bytes() for path in victims]
    outcomes: Counter[str] = Counter()
    for kind, write in every_broken_one():
        for path in victims:
            path.unlink()
            write(path)
        for command in COMMANDS:
            shutil.rmtree(toy / "other", ignore_errors=True)
            shutil.rmtree(toy / "work/warmup/again.partial", ignore_errors=True)
            ran = gcl(*words(command))
            told = ran.stderr + ran.stdout
            assert ran.exit_code or command == "render", (kind, command)  # which reads the header alone
            assert not ran.exit_code or any(path.name in told for path in victims), (kind, command, told)
            outcomes["by header" if not ran.exit_code else "refused by name"] += 1
        for path, content in zip(victims, sound, strict=True):
            path.unlink()
            path.write_bytes(content)
    print(  # noqa: T201
        f"\nbroken pictures through {len(COMMANDS)} commands: tried {outcomes.total()}, refused by name "
        f"{outcomes['refused by name']}, drawn by a sound header {outcomes['by header']}, tracebacks 0, hangs 0"
    )


def every_broken_one() -> Iterator[tuple[str, corpus.Write]]:
    """Broken files, and what is no file."""
    for kind, (_, write, _) in corpus.REFUSED.items():
        yield kind, write
    for kind, (write, _) in corpus.IRREGULAR.items():
        if "circle" not in kind and "link to a pipe" not in kind:  # they leave a second file behind
            yield kind, write
