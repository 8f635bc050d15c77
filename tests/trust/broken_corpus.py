"""A corpus of broken, hostile and odd picture files: each is made by a function that is given the path to write."""

import io
import os
import signal
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

Write = Callable[[Path], None]
MARKET = ("bounding_box_train", "query", "bounding_box_test")


@contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """What hangs inside fails."""

    def hangs(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def person(seed: int = 0, height: int = 64, width: int = 32) -> Image.Image:
    """A noisy gradient with a dark figure in it: no two seeds are alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 / width, y * 255 / height, (x + y) % 256], axis=-1)
    pixels += rng.normal(0, 20, pixels.shape) + rng.uniform(-40, 40, 3)
    pixels[height // 8 : -height // 8, width // 3 : -width // 3] *= 0.3
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(kind: str, picture: Image.Image | None = None, **options: object) -> bytes:
    """A picture as a file of a format of Pillow's."""
    file = io.BytesIO()
    (picture or person()).save(file, kind, **options)
    return file.getvalue()


def content(data: bytes | Callable[[], bytes]) -> Write:
    """Writes these bytes, or those that are made when they are needed."""

    def write(path: Path) -> None:
        path.write_bytes(data() if callable(data) else data)

    return write


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(height: int, width: int, depth: int, colours: int, rows: bytes, *more: bytes) -> bytes:
    """A PNG file by its raw rows, compressed here; depth 1 to 16, colours 0 (grey), 2 (RGB) or 6 (RGBA)."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def huge_png(side: int = 20_000) -> bytes:
    """A real picture of `side` x `side` pixels in a few kilobytes: 1.2 GB once it is RGB."""
    packer, row = zlib.compressobj(1), bytes(1 + side // 8)
    return png(side, side, 1, 0, b"".join(packer.compress(row) for _ in range(side)) + packer.flush())


def claiming_jpeg(side: int) -> bytes:
    """A JPEG whose header claims `side` x `side` pixels."""
    data = bytearray(encoded("JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(data)


def wide_webp() -> bytes:
    """As wide as the format allows."""
    return encoded("WEBP", Image.new("L", (16_383, 1100)), quality=1, method=0)


def grey_16_bits() -> bytes:
    """A PNG of 16 bits a pixel, from dark to light."""
    levels = np.linspace(0, 65535, 64 * 32).astype(">u2").reshape(64, 32)
    return png(64, 32, 16, 0, zlib.compress(b"".join(b"\0" + row.tobytes() for row in levels)))


def colours_16_bits(channels: int) -> bytes:
    """A PNG of 16 bits a channel."""
    levels = np.linspace(0, 65535, 64 * 32 * channels).astype(">u2").reshape(64, 32 * channels)
    return png(64, 32, 16, {3: 2, 4: 6}[channels], zlib.compress(b"".join(b"\0" + row.tobytes() for row in levels)))


def text_bomb(name: bytes) -> bytes:
    """A PNG with a compressed text or colour profile of 50 MB."""
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(50)) + packer.flush()
    rows = zlib.compress(bytes((1 + 32 * 3) * 64))
    return png(64, 32, 8, 2, rows, chunk(name, b"bomb\0\0" + packed))


def animated(kind: str) -> bytes:
    """Three pictures in one file."""
    more = [person(seed) for seed in (1, 2)]
    return encoded(kind, save_all=True, append_images=more, duration=100)


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    """A picture whose EXIF data ask for a turn."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(kind, exif=exif.tobytes())


def broken_exif() -> bytes:
    """A JPEG whose EXIF data are noise after a good beginning."""
    noise = np.random.default_rng(0).bytes(60)
    return encoded("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + noise)


def sparse(path: Path) -> None:
    """A gigabyte that takes no room on the disk."""
    path.write_bytes(encoded("JPEG"))
    os.truncate(path, 1 << 30)


def listening(path: Path) -> None:
    """A socket; its path must be short, so that it is made from within its folder."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def folder_of_pictures(path: Path) -> None:
    """A folder that is called like a picture, with a picture in it."""
    path.mkdir()
    (path / "inside.png").write_bytes(encoded("PNG"))


# What must be read, whatever it looks like: the ending, and how it is written.
READ: dict[str, tuple[str, Write]] = {
    "sound jpg": (".jpg", content(encoded("JPEG"))),
    "sound png": (".png", content(encoded("PNG"))),
    "sound bmp": (".bmp", content(encoded("BMP"))),
    "sound webp": (".webp", content(encoded("WEBP"))),
    "sound gif": (".gif", content(encoded("GIF", person().convert("P")))),
    "transparent gif": (".gif", content(encoded("GIF", person().convert("P"), transparency=3))),
    "gif called png": (".png", content(encoded("GIF", person().convert("P")))),
    "capital ending": (".JPEG", content(encoded("JPEG"))),
    "jpg called png": (".png", content(encoded("JPEG"))),
    "webp called jpg": (".jpg", content(encoded("WEBP"))),
    "CMYK": (".jpg", content(encoded("JPEG", person().convert("CMYK")))),
    "grey jpg": (".jpg", content(encoded("JPEG", person().convert("L")))),
    "16 bits grey": (".png", content(grey_16_bits())),
    "16 bits RGB": (".png", content(colours_16_bits(3))),
    "16 bits RGBA": (".png", content(colours_16_bits(4))),
    "alpha": (".png", content(encoded("PNG", person().convert("RGBA")))),
    "grey with alpha": (".png", content(encoded("PNG", person().convert("LA")))),
    "palette": (".png", content(encoded("PNG", person().convert("P")))),
    "palette with alpha": (".png", content(encoded("PNG", person().convert("P"), transparency=3))),
    "black and white": (".png", content(encoded("PNG", person().convert("1")))),
    "alpha webp": (".webp", content(encoded("WEBP", person().convert("RGBA")))),
    "progressive": (".jpg", content(encoded("JPEG", progressive=True))),
    "trailing bytes": (".jpg", content(encoded("JPEG") + bytes(1000))),
    "broken EXIF": (".jpg", content(broken_exif())),
    **{f"EXIF {turn}": (".jpg", content(turned(turn))) for turn in range(1, 9)},
    "EXIF 6 in png": (".png", content(turned(6, "PNG"))),
    "EXIF 6 in webp": (".webp", content(turned(6, "WEBP"))),
    "1 x 1": (".png", content(encoded("PNG", person(0, 8, 8).resize((1, 1))))),
    "1 x 3000": (".png", content(encoded("PNG", person(0, 3000, 3).resize((1, 3000))))),
    "3000 x 1": (".png", content(encoded("PNG", person(0, 8, 3000).resize((3000, 1))))),
    "one colour": (".jpg", content(encoded("JPEG", Image.new("RGB", (32, 64), "white")))),
}

# What must be refused, in an error that names the file; `why`: a word of the reason.
REFUSED: dict[str, tuple[str, Write, str]] = {
    "empty jpg": (".jpg", content(b""), "empty"),
    "empty png": (".png", content(b""), "empty"),
    "one byte": (".jpg", content(b"\xff"), "none of"),
    "jpg, header alone": (".jpg", content(encoded("JPEG")[:20]), ""),
    "jpg, first half": (".jpg", content(encoded("JPEG")[: len(encoded("JPEG")) // 2]), "Truncated"),
    "png, first half": (".png", content(encoded("PNG")[: len(encoded("PNG")) // 2]), "truncated"),
    "webp, first half": (".webp", content(encoded("WEBP")[: len(encoded("WEBP")) // 2]), ""),
    "bmp, first half": (".bmp", content(encoded("BMP")[: len(encoded("BMP")) // 2]), "truncated"),
    "zeros": (".png", content(bytes(5000)), "none of"),
    "noise": (".jpg", content(np.random.default_rng(1).bytes(5000)), "none of"),
    "text": (".jpg", content(b"404 Not Found\n" * 9), "none of"),
    "page": (".png", content(b"<!doctype html><script>alert(1)</script>"), "none of"),
    "vector": (".png", content(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "none of"),
    "animated gif called webp": (".webp", content(animated("GIF")), "animated"),
    "tiff called jpg": (".jpg", content(encoded("TIFF")), "none of"),
    "postscript called jpg": (
        ".jpg",
        content(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n"),
        "none of",
    ),
    "animated png": (".png", content(animated("PNG")), "animated"),
    "animated webp": (".webp", content(animated("WEBP")), "animated"),
    "20,000 x 20,000 png": (".png", content(huge_png), "more than 16,777,216"),
    "20,000 x 20,000 jpg": (".jpg", content(claiming_jpeg(20_000)), "more than 16,777,216"),
    "65,500 x 65,500 jpg": (".jpg", content(claiming_jpeg(65_500)), "more than 16,777,216"),
    "16,383 x 1,100 webp": (".webp", content(wide_webp), "more than 16,777,216"),
    "gigabyte": (".jpg", sparse, "bytes"),
    "bomb of text": (".png", content(lambda: text_bomb(b"zTXt")), "too large"),
    "png without pixels": (".png", content(png(64, 32, 8, 2, b"")), ""),
    "png of no width": (".png", content(png(64, 0, 8, 2, zlib.compress(b"\0" * 64))), ""),
}

# What has the name of a picture and is none: found when the folder is listed, before anything is opened.
IRREGULAR: dict[str, tuple[Write, str]] = {
    "pipe": (lambda path: os.mkfifo(path), "pipe"),
    "socket": (listening, "socket"),
    "dangling link": (lambda path: path.symlink_to("nowhere.jpg"), "link"),
    "link to itself": (lambda path: path.symlink_to(path.name), "link"),
    "two links in a circle": (
        lambda path: (path.symlink_to("circle.link"), path.with_name("circle.link").symlink_to(path.name), None)[2],
        "link",
    ),
    "link to a device": (lambda path: path.symlink_to("/dev/zero"), "link"),
    "link to a pipe": (
        lambda path: (os.mkfifo(path.with_name("a.pipe")), path.symlink_to("a.pipe"), None)[2],
        "link",
    ),
}

# Names of people in every script, and of people who try things.
GOOD_NAMES = (
    "Ångström", "Ελένη", "Дарья", "שרה", "ليلى", "देवी", "สมชาย", "明子", "김민수", "Nguyễn", "ሰላም", "ꦧ", "𝒜𝔅", "🧍🏽‍♀️",
    "two words", " leading", "trailing ", "-rf", "--help", "%s%n", "{name}", "$(touch pwned)", "`id`", "a;b", "a&b",
    "*?", "<script>alert(1)</script>"[:8], "'quote'", '"double"', "back\\slash", "a,b", "=1+1", "#", "~", "CON", "null",
    "caf\u00e9", "cafe\u0301", "A", "a", "\u202ereversed", "zero\u200bwidth", "\ufeffmark", "x" * 251, "日" * 83,
)  # fmt: skip
BAD_NAMES = (
    b"new\nline", b"tab\tstop", b"bell\x07", b"\x1b[31mred\x1b[0m", b"carriage\rreturn", b"delete\x7f", b"\xc2\x85next",
    b"\xff\xfe", b"latin \xe9", b"\xed\xa0\x80", b"half \xc3",
)  # fmt: skip


def market(root: Path, people: int = 4, cameras: int = 2, pictures: int = 2, size: tuple[int, int] = (64, 32)) -> Path:
    """A sound data set in Market-1501 layout: the first half of the people train, the others are searched for."""
    seed = 0
    for number in range(people):
        splits = MARKET[:1] if number < people // 2 else MARKET[1:]
        for split in splits:
            (root / split).mkdir(parents=True, exist_ok=True)
            for camera in range(1, cameras + 1):
                for frame in range(pictures if split != "query" else 1):
                    seed += 1
                    name = f"{number + 1:04d}_c{camera}s1_{frame:06d}_00.png"
                    person(seed, *size).save(root / split / name)
    return root


def named(folder: Path, name: bytes | str, seed: int = 0) -> Path:
    """A sound picture of that name, whatever the name is."""
    path = folder / (os.fsdecode(name) + ".png")
    path.write_bytes(encoded("PNG", person(seed)))
    return path
