"""Any text that comes from outside, fuzzed: file names, list files, corrections, settings, paths.

It is understood, or refused by a GclError that says what to do; and a list never leads out of the data set's folder.
"""

import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, seed, settings, target
from hypothesis import strategies as st

from gcl_cli.cli.options import validated, validated_by_stage
from gcl_cli.commands.doctor.labels import look_at_names
from gcl_cli.config.stages import STAGE_SETTINGS
from gcl_cli.datasets import dukemtmc, grammars, market1501, msmt17
from gcl_cli.datasets.catalogue import open_dataset, resolve
from gcl_cli.datasets.dataset import is_picture, person_numbers
from gcl_cli.datasets.known_sets import count, known_name, spelled
from gcl_cli.datasets.listing import readably
from gcl_cli.datasets.timing import timing
from gcl_cli.errors import GclError
from gcl_cli.people.corrections import corrections_digest, read_corrections
from gcl_cli.people.given_files import folder_names, picture_files
from gcl_cli.records import Sample

LAYOUTS = {"market1501": market1501.parse, "dukemtmc": dukemtmc.parse, "msmt17-v1": msmt17.parse,
           "msmt17-market": msmt17.parse_market}  # fmt: skip
EXAMPLES = (market1501.EXAMPLE, dukemtmc.EXAMPLE, msmt17.EXAMPLE, msmt17.MARKET_EXAMPLE, "-1_c1s1_000001_00.jpg")
NASTY = ("\0", "\n", "\r", "\u2028", "\x85", "\x1b[0m", "\udcff", "..", "/", "\\", "٣", "１", "²", "𝟗", "-", "_",
         "9" * 30, "9" * 5000, "-1", "0000", " ", ",", '"', "=", "\ufeff", "none", "nan", "inf", "1e999", "true", "é",
         "e\u0301", "~", "~nobody", "%s", "{}", "<b>", "[]", "0x1f", "1_000")  # fmt: skip
DIGITS = st.one_of(st.text(string.digits, min_size=1, max_size=12), st.sampled_from(NASTY))


@st.composite
def spoiled(draw: Callable[..., Any], whole: st.SearchStrategy[str]) -> str:
    """A sound text in which a few places were replaced, cut out or filled with what is nasty."""
    text = draw(whole)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 3))
        text = text[:at] + draw(st.one_of(st.sampled_from(NASTY), st.text(max_size=3))) + text[at + cut :]
    return text


NAMES = st.one_of(
    st.text(max_size=60),
    spoiled(st.sampled_from(EXAMPLES)),
    st.builds("{}_c{}s{}_{}_{}.jpg".format, DIGITS, DIGITS, DIGITS, DIGITS, DIGITS),
    st.builds("{}_c{}_f{}.jpg".format, DIGITS, DIGITS, DIGITS),
    st.builds("{}_{}_{}_{}noon_{}_{}.jpg".format, DIGITS, DIGITS, DIGITS, DIGITS, DIGITS, DIGITS),
    st.builds("{}_c{}_{}.jpg".format, DIGITS, DIGITS, DIGITS),
)


def check_name(name: str, folder: Path) -> str:
    """Every grammar gives a sample whose numbers fit into tables, or None."""
    understood = 0
    for layout, parse in LAYOUTS.items():
        sample = parse(name)
        if sample is None:
            continue
        understood += 1
        assert sample.name == name
        assert -1 <= sample.person < 1e9 and 0 <= sample.camera < 1e4 and 0 <= (sample.frame or 0) < 1e7
        assert timing([sample], [sample], layout=layout) is not None or layout == "msmt17-market"
        assert person_numbers([sample]).shape == (1,) and count([sample]).images == 1
    is_picture(name), known_name(name), spelled(name)
    target(float(understood))
    (safe,) = folder_names([Path(name.replace("\0", "") or "x")])
    assert len(safe.encode()) < 250 and "/" not in safe and safe.isprintable()
    return "understood" if understood else "refused"


LINES = st.one_of(
    st.text(max_size=40),
    st.just(f"0000/{msmt17.EXAMPLE} 0"),
    spoiled(st.sampled_from([f"0000/{msmt17.EXAMPLE} 0", "0001/0001_000_02_0114noon_0009_0_ex.jpg 1"])),
    st.sampled_from(
        [f"{way}/{msmt17.EXAMPLE} 0" for way in ("..", "../..", "/etc", "0000/../../..", "linked", "~", ".")]
    ),
)
LISTS = st.one_of(
    st.binary(max_size=80),
    st.lists(LINES, max_size=6).map(lambda lines: "\n".join(lines).encode(errors="surrogateescape")),
)


def msmt17_folder(root: Path) -> Path:
    """A data set of two people with a way out, and pictures outside that a list might be after."""
    for place in (root / "data/train/0000", root / "data/test/0000", root / "data/..", root / "elsewhere"):
        place.mkdir(parents=True, exist_ok=True)
        (place / msmt17.EXAMPLE).touch()
    (root / "data/train/0000/0000_001_01_0303morning_0008_0.jpg").symlink_to(root / "elsewhere" / msmt17.EXAMPLE)
    (root / "data/train/linked").symlink_to(root / "elsewhere")
    for name in ("list_query.txt", "list_gallery.txt"):
        (root / "data" / name).write_text(f"0000/{msmt17.EXAMPLE} 0\n")
    return root / "data"


def check_list(content: bytes, folder: Path) -> str:
    """A list of training pictures gives a data set within its folder, or a GclError."""
    root = folder / "data" if (folder / "data").exists() else msmt17_folder(folder)
    (root / "list_train.txt").write_bytes(content)
    for allow_subset in (False, True):
        try:
            dataset = open_dataset(root, allow_subset=allow_subset)
        except GclError as error:
            understood(error)
            continue
        train = dataset.splits.get("train", ())
        assert all((root / sample.name).resolve().is_relative_to(root.resolve()) for sample in train)
        assert all(finding.found for finding in look_at_names(dataset))
        return "understood"
    return "refused"


def understood(error: GclError) -> None:
    """Both lines are there and hold what a terminal and a log can take."""
    assert error.problem and error.fix
    assert error.problem.isascii() or error.problem.encode("utf-8", "backslashreplace")


TRAINING = ("bounding_box_train/0001_c1s1_000001_00.jpg", "b,c.jpg", 'd"e.jpg', "é.jpg")
SOUND_ROWS = [
    f"{kind},{pair}"
    for kind in ("must-link", "cannot-link")
    for pair in (f"{TRAINING[0]},é.jpg", '"b,c.jpg",é.jpg', f'{TRAINING[0]},"d""e.jpg"', "é.jpg,é.jpg")
]
ROWS = st.lists(st.one_of(st.sampled_from(SOUND_ROWS), spoiled(st.sampled_from(SOUND_ROWS))), max_size=6)
TABLES = st.one_of(
    st.binary(max_size=80),
    ROWS.map(lambda rows: "\n".join(["kind,first,second", *rows]).encode(errors="surrogateescape")),
    st.just(b"kind,first,second\nmust-link," + b"x" * 200_000 + b",y"),
)


def check_corrections(content: bytes, folder: Path) -> str:
    """Corrections are pairs of rows of the training set, or a GclError."""
    path = folder / "corrections.csv"
    path.write_bytes(content)
    try:
        found = read_corrections(str(path), TRAINING)
    except GclError as error:
        understood(error)
        return "refused"
    assert found is not None and found.must.shape[1:] == found.cannot.shape[1:] == (2,)
    return "understood"


VALUES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(NASTY),
    st.integers().map(str),
    st.floats().map(str),
    st.lists(st.sampled_from([*NASTY, "gan", "vi", "0", "45", "360"]), max_size=4).map(",".join),
)


@st.composite
def pairs(draw: Callable[..., Any]) -> tuple[str, str]:
    """A stage, and KEY=VALUE with one of its keys or another."""
    stage = draw(st.sampled_from(sorted(STAGE_SETTINGS)))
    key = draw(st.one_of(st.sampled_from(sorted(STAGE_SETTINGS[stage].model_fields)), spoiled(st.just("epochs"))))
    field = STAGE_SETTINGS[stage].model_fields.get(key)
    usual = (
        "x" if field is None else ",".join(map(str, field.default)) if type(field.default) is tuple else field.default
    )
    return stage, draw(st.one_of(st.builds("{}={}".format, st.just(key), VALUES), spoiled(st.just(f"{key}={usual}"))))


def check_setting(pair: tuple[str, str], folder: Path) -> str:
    """A setting gets a value of its own type, within its limits, or a GclError."""
    stage, text = pair
    name = text.partition("=")[0].strip().replace("-", "_")
    calls: list[Callable[[], Any]] = [
        lambda: validated(stage, STAGE_SETTINGS[stage], {}, [text]),
        lambda: validated_by_stage([f"{stage}.{text}", text], tuple(STAGE_SETTINGS)),
    ]
    if name in STAGE_SETTINGS[stage].model_fields:
        calls.append(lambda: validated(stage, STAGE_SETTINGS[stage], {name: text.partition("=")[2]}, []))
    outcomes = []
    for call in calls:
        try:
            outcomes.append(call())
        except GclError as error:
            understood(error)
    for chosen in (one for one in outcomes if stage not in one):
        kind, value = STAGE_SETTINGS[stage].model_fields[name].annotation, chosen[name]
        assert value is None or not get_args(kind) or isinstance(value, str | int | float | tuple)
    return "understood" if outcomes else "refused"


def check_path(text: str, folder: Path) -> str:
    """A path of a data set, a picture or a file of corrections is found, or a GclError."""
    outcome = "refused"
    for find in (lambda: resolve(text, folder), lambda: picture_files([text]), lambda: corrections_digest(text)):
        try:
            find()
            outcome = "understood"
        except GclError as error:
            understood(error)
    assert "\n" not in readably(text)
    return outcome


PATHS = st.one_of(
    st.text(max_size=30), spoiled(st.sampled_from(["~", "~root/x", ".", "/tmp", "/etc/passwd", "." * 300]))
)
CHECKS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any, Path], str]]] = {
    "names of pictures": (NAMES, check_name),
    "list files": (LISTS, check_list),
    "corrections": (TABLES, check_corrections),
    "settings": (pairs(), check_setting),
    "paths": (PATHS, check_path),
}


def executed(what: str, folder: Path, examples: int) -> Counter[str]:
    """Try a check on so many examples; returns what became of them."""
    strategy, check = CHECKS[what]
    outcomes: Counter[str] = Counter()

    @seed(8)
    @settings(
        max_examples=examples, deadline=None, database=None, print_blob=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(strategy)
    def tried(value: Any) -> None:
        outcomes[check(value, folder)] += 1

    tried()
    return outcomes


@pytest.mark.parametrize("what", CHECKS)
def test_any_text_is_understood_or_refused(tmp_path, what):
    assert executed(what, tmp_path, 60).total() >= 50


@pytest.mark.slow
@pytest.mark.parametrize("what", CHECKS)
def test_very_much_text_is_understood_or_refused(tmp_path, what):
    found = executed(what, tmp_path, 2000)
    print(  # noqa: T201
        f"\n{what}: {found.total():,} executions, understood {found['understood']:,}, refused with a remedy "
        f"{found['refused']:,}, tracebacks 0"
    )
    assert found.total() >= 1900 and found["understood"] > 50 and found["refused"]


@given(st.integers(0, 10**9 - 1), st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 999_999))
@settings(max_examples=50, deadline=None)
def test_every_sound_market_name_is_understood(person, camera, sequence, frame):
    name = f"{person:04d}_c{camera}s{sequence}_{frame:06d}_00.jpg"
    assert market1501.parse(name) == Sample(name, person, camera, frame, f"s{sequence}")


@given(st.integers(0, 9999), st.integers(0, 9), st.integers(0, 9_999_999))
@settings(max_examples=50, deadline=None)
def test_every_sound_duke_name_is_understood(person, camera, frame):
    name = f"{person:04d}_c{camera}_f{frame:07d}.jpg"
    assert dukemtmc.parse(name) == Sample(name, person, camera, frame)


@given(
    st.integers(0, 9999), st.integers(0, 99), st.sampled_from(["morning", "noon", "afternoon"]), st.integers(0, 9999)
)
@settings(max_examples=50, deadline=None)
def test_every_sound_msmt17_name_is_understood(person, camera, part, time):
    name = f"train/{person:04d}/{person:04d}_000_{camera:02d}_0303{part}_{time:04d}_0.jpg"
    assert msmt17.parse(name) == Sample(name, person, camera, time, f"0303{part}")


@pytest.mark.parametrize("way", ["..", "../../elsewhere", "0000/../..", "/etc", "/"])
def test_a_list_that_leads_out_is_refused(tmp_path, way):
    root = msmt17_folder(tmp_path)
    (root / "list_train.txt").write_text(f"{way}/{msmt17.EXAMPLE} 0\n")
    for allow_subset in (False, True):
        with pytest.raises(GclError, match=r"Line 1 of .*list_train\.txt"):
            open_dataset(root, allow_subset=allow_subset)


def test_a_link_out_of_the_folder_is_not_read_through_a_list(tmp_path):
    root = msmt17_folder(tmp_path)
    (root / "list_train.txt").write_text("0000/0000_001_01_0303morning_0008_0.jpg 0\n")
    with pytest.raises(GclError, match=r"is listed, and is a link to .*elsewhere"):
        open_dataset(root, allow_subset=True)
    (root / "list_train.txt").write_text(f"linked/{msmt17.EXAMPLE} 0\n")
    with pytest.raises(GclError, match="are not in"):
        open_dataset(root, allow_subset=False)


def test_pictures_that_no_list_names_are_told(tmp_path):
    root = msmt17_folder(tmp_path)
    (root / "list_train.txt").write_text(f"0000/{msmt17.EXAMPLE} 0\n")
    remarks = " ".join(open_dataset(root, allow_subset=True).remarks)
    assert "1 pictures in" in remarks and "are in no list file" in remarks and "Linked folders" in remarks


@pytest.mark.parametrize(
    "name",
    ["9999999999_c1s1_000001_00.jpg", "-2_c1s1_000001_00.jpg", "_c1s1_000001_00.jpg", "٣٣٣٣_c1s1_000001_00.jpg",
     "1_c99999s1_000001_00.jpg", "1_c1s1_0000012_00.jpg", "1_c1s1_000001_00.jpg\n", "１_c1_2.jpg"],
)  # fmt: skip
def test_numbers_that_no_table_can_hold_are_no_names(name):
    assert not any(grammar.parse(name) for grammar in grammars.GRAMMARS[:2])
