"""What a file is by its first bytes, whatever its name says."""

from gcl_cli.records import DRAWN_BY

HEAD = 128  # bytes that are looked at: a mark of gcl's drawings comes right after a PNG's header
_DRAWING = b"tEXtSoftware\0" + DRAWN_BY.encode()
_READ = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")
_FOREIGN = (b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ", b"\xff\x0a")
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")  # of ISO media files that are pictures
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes in bytes


def kind_of_file(path: str) -> str:
    """ "read" for a picture of a format that is read, "foreign" for one of another, "" for anything else."""
    head = _head(path)
    if head.startswith(_READ) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP") or _is_bmp(head):
        return "read"
    return "foreign" if head.startswith(_FOREIGN) or (head[4:8] == b"ftyp" and head[8:12] in _BRANDS) else ""


def is_drawing(path: str) -> bool:
    """Whether gcl drew this PNG: a sheet, an overlay, a view. What `gcl synth` makes is data, and not marked."""
    return _DRAWING in _head(path)


def _is_bmp(head: bytes) -> bool:
    return head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS


def _head(path: str) -> bytes:
    """The first bytes of a plain file; none where it cannot be read, which reading it as a picture will tell."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # a fifth of the time
            return file.read(HEAD)
    except OSError:
        return b""
