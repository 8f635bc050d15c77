"""Broken, hostile and odd picture files: read rightly, or refused by name; never a hang, never a flood of memory."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import broken_corpus as corpus
import numpy as np
import pytest
from own_peak import PEAK, forget_peak, peak
from PIL import Image, ImageOps

from gcl_cli.datasets.decoding import MOST_PIXELS, picture_sizes, read_crop, read_pictures
from gcl_cli.errors import GclError

SECONDS = 20  # longer is a hang


@pytest.fixture(autouse=True)
def no_hanging() -> Iterator[None]:
    with corpus.alarm(SECONDS):
        yield


def written(folder: Path, kind: str) -> str:
    """The name of a file of the corpus."""
    ending, write, *_ = (corpus.READ | corpus.REFUSED)[kind]
    write(folder / f"picture{ending}")
    return f"picture{ending}"


@pytest.mark.parametrize("kind", corpus.READ)
def test_odd_pictures_are_read_with_the_size_that_their_header_tells(tmp_path, kind):
    name = written(tmp_path, kind)
    crop = read_crop(tmp_path, name)
    assert crop.dtype == np.uint8 and crop.shape[2] == 3
    assert picture_sizes(tmp_path, [name]) == [crop.shape[:2]]
    pictures = read_pictures(tmp_path, [name], height=16, width=8, threads=1)
    assert pictures.shape == (1, 3, 16, 8)


@pytest.mark.parametrize("kind", corpus.REFUSED)
def test_broken_pictures_are_refused_by_name_with_a_reason_and_a_remedy(tmp_path, kind):
    name, why = written(tmp_path, kind), corpus.REFUSED[kind][2]
    with pytest.raises(GclError, match=rf"picture\{Path(name).suffix} cannot be read: .*{why}") as refused:
        read_crop(tmp_path, name)
    assert "object at 0x" not in refused.value.problem and "gcl doctor" in refused.value.fix


@pytest.mark.parametrize("kind", corpus.IRREGULAR)
def test_what_is_no_file_is_never_opened(tmp_path, kind):
    corpus.IRREGULAR[kind][0](tmp_path / "picture.jpg")
    for read in (lambda: read_crop(tmp_path, "picture.jpg"), lambda: picture_sizes(tmp_path, ["picture.jpg"])):
        with pytest.raises(GclError, match=r"picture\.jpg cannot be read"):
            read()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_pictures_stand_upright_as_their_exif_data_ask(tmp_path, kind, turn):
    (tmp_path / "a.jpg").write_bytes(corpus.turned(turn, kind))
    with Image.open(tmp_path / "a.jpg") as picture:
        expected = np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    np.testing.assert_array_equal(read_crop(tmp_path, "a.jpg"), expected)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_an_orientation_that_only_xmp_tells_turns_the_picture_and_its_size(tmp_path, kind):
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    (tmp_path / "a.jpg").write_bytes(corpus.encoded(kind, Image.new("RGB", (64, 32)), xmp=xmp))
    assert read_crop(tmp_path, "a.jpg").shape == (64, 32, 3)
    assert picture_sizes(tmp_path, ["a.jpg"]) == [(64, 32)]


def test_exif_data_in_the_other_byte_order_turn_too(tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    (tmp_path / "a.jpg").write_bytes(corpus.encoded("JPEG", exif=exif))
    assert read_crop(tmp_path, "a.jpg").shape == (32, 64, 3)


def test_sixteen_bits_of_grey_keep_their_scale(tmp_path):
    (tmp_path / "a.png").write_bytes(corpus.grey_16_bits())
    crop = read_crop(tmp_path, "a.png")
    expected = np.linspace(0, 65535, 64 * 32).astype(int).reshape(64, 32) // 256
    np.testing.assert_array_equal(crop, expected[..., None].repeat(3, 2))


def test_the_largest_picture_is_read_and_the_next_one_refused(tmp_path):
    width = 1 << 14
    Image.new("1", (width, MOST_PIXELS // width)).save(tmp_path / "largest.png")
    assert read_crop(tmp_path, "largest.png").shape == (MOST_PIXELS // width, width, 3)
    Image.new("1", (width, MOST_PIXELS // width + 1)).save(tmp_path / "larger.png")
    with pytest.raises(GclError, match="more than 16,777,216 pixels"):
        read_crop(tmp_path, "larger.png")


BOMBS = ("20,000 x 20,000 png", "20,000 x 20,000 jpg", "65,500 x 65,500 jpg", "gigabyte", "bomb of text")
MEASURE = """
import sys
from pathlib import Path
from gcl_cli.datasets.decoding import picture_sizes, read_crop
from gcl_cli.errors import GclError
before = peak()
for path in map(Path, sys.argv[1:]):
    for read in (lambda: read_crop(path.parent, path.name), lambda: picture_sizes(path.parent, [path.name])):
        try:
            read()
        except GclError:
            continue
        sys.exit(f"{path} was read")
print((peak() - before) // 1024)
"""


def test_bombs_are_refused_before_they_take_memory(tmp_path):
    paths = []
    for number, kind in enumerate(BOMBS):
        (tmp_path / str(number)).mkdir()
        paths.append(str(tmp_path / str(number) / written(tmp_path / str(number), kind)))
    grown = subprocess.check_output([sys.executable, "-c", PEAK + MEASURE, *paths], text=True)
    assert int(grown) < 20_000, f"{grown} kB"


def mutated(seed: bytes, rng: np.random.Generator) -> bytes:
    """A file with a few bits flipped, bytes replaced, cut out or put in, most of them near the beginning."""
    data = bytearray(seed)
    for _ in range(rng.integers(1, 8)):
        at = int(rng.integers(min(len(data), rng.choice([64, 400, 1 << 20]))))
        match rng.integers(4):
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at] = int(rng.integers(256))
            case 2 if len(data) > at + 20:
                del data[at : at + int(rng.integers(1, 20))]
            case _:
                data[at:at] = rng.bytes(int(rng.integers(1, 9)))
    return bytes(data)


def try_mutations(folder: Path, number: int, seed: int) -> Counter[str]:
    """What becomes of mutated files of every format: read, with a header that agrees, or refused."""
    seeds = [(ending, write) for ending, write in corpus.READ.values()]
    contents, found, rng = [], Counter[str](), np.random.default_rng(seed)
    for ending, write in seeds:
        write(folder / f"seed{ending}")
        contents.append((ending, (folder / f"seed{ending}").read_bytes()))
    for index in range(number):
        ending, content = contents[index % len(contents)]
        (folder / f"a{ending}").write_bytes(mutated(content, rng))
        try:
            crop = read_crop(folder, f"a{ending}")
        except GclError as error:
            assert error.problem and error.fix
            found["refused"] += 1
            continue
        assert crop.dtype == np.uint8 and crop.shape[2] == 3
        assert picture_sizes(folder, [f"a{ending}"]) == [crop.shape[:2]]
        found["read"] += 1
    return found


def test_mutated_files_are_read_or_refused(tmp_path):
    found = try_mutations(tmp_path, 250, seed=0)
    assert found["read"] > 20 and found["refused"] > 60


@pytest.mark.slow
def test_many_mutated_files_are_read_or_refused(tmp_path):
    signal.alarm(600)
    forget_peak()
    before = peak()
    found = try_mutations(tmp_path, 20_000, seed=1)
    grown = (peak() - before) / 1e6
    print(  # noqa: T201
        f"\nmutated picture files: tried {found.total():,}, read {found['read']:,}, refused by name "
        f"{found['refused']:,}, tracebacks 0, hangs 0; peak memory grew by {grown:.0f} MB"
    )
    assert found.total() == 20_000 and grown < 400


def test_readers_for_other_formats_are_never_called(tmp_path, monkeypatch):
    def called(*_, **__):
        raise AssertionError("a reader of another format was called")

    Image.init()
    for name in set(Image.OPEN) - {"JPEG", "PNG", "BMP", "WEBP", "GIF", "DIB"}:
        monkeypatch.setitem(Image.OPEN, name, (called, lambda _: True))
    (tmp_path / "a.jpg").write_bytes(corpus.encoded("TIFF"))
    with pytest.raises(GclError, match="none of JPEG, PNG, BMP, WEBP, GIF"):
        read_crop(tmp_path, "a.jpg")
