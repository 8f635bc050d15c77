"""Files that are either whole or absent, and their digests."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from gcl_cli.machine.json_text import json_text
from gcl_cli.machine.system import flush

CHUNK = 1 << 20


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_of(value: Any) -> str:
    """Hexadecimal digest of a JSON-able value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Write a file so that a crash leaves the old one or the new one, never half of it.

    Yields where to write. Two processes that write the same file at once do not meet there: the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        flush(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)  # on a full disk every byte counts
        raise


def empty(folder: Path, *, but: Sequence[str]) -> None:
    """Remove what is in a folder, except the entries named `but`; links go, what they lead to stays."""
    for path in folder.iterdir():
        if path.name in but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, whole or not at all; what is no number becomes null."""
    write_text(path, json_text(value, indent=2) + "\n")


def create_json(path: Path, value: Any) -> None:
    """Write a JSON file, unless there is one: of several processes that do so at once, the first one's stays."""
    temporary = path.with_name(f"{path.name}.{uuid4().hex[:8]}.tmp")
    write_json(temporary, value)
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP):
            temporary.replace(path)  # a file system without links: the last one's stays
        elif error.errno != errno.EEXIST:
            raise
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """The value of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
