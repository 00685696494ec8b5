"""Atomic writing: a file is complete or absent, even if the process is killed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from medcl.errors import UsageError

MAX_NAME_BYTES = 200
"""Bytes of a name that go into that of its temporary file; file systems allow 255."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced to disk and renamed onto `path`.

    Works for a file, and for a folder that does not exist yet. On an exception, nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = os.fsdecode(os.fsencode(path.name)[:MAX_NAME_BYTES])
    temporary = path.with_name(f".{name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if temporary.is_file():
            _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Delete what processes that were killed left of the files that `atomic` wrote below a folder."""
    for temporary in folder.rglob(".*.tmp"):
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a parquet table atomically."""
    with atomic(path) as temporary:
        table.to_parquet(temporary, index=False)


def write_text(text: str, path: Path) -> None:
    """Write UTF-8 text atomically; bytes of file names that are not UTF-8 are escaped, as JSON reads them."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(value: Any, path: Path) -> None:
    """Write a JSON document atomically, keys in the order given."""
    write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def check_utf8(path: Path) -> None:
    """Check that an output's name is UTF-8, as parquet needs; names of files to read may hold any bytes.

    Raises:
        UsageError: it is not.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UsageError(f"{path}: its name is not UTF-8; write to another folder") from None


def new_folder(path: Path, what: str) -> Path:
    """Return `path` after checking that a new `what` may be written there.

    Raises:
        UsageError: the path is a file, a folder that is not empty, or not UTF-8.
    """
    check_utf8(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} already exists; name a new folder for the {what}")
    return path
