"""Files on this machine or in object storage (`s3://bucket/folder`, through fsspec)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, BinaryIO, cast

import fsspec

from medcl.errors import UsageError

BLOCK_BYTES = 1 << 18
WHOLE_BYTES = 16 << 20
"""Objects up to this size are fetched in one request when their pixels are read."""


def is_url(path: str) -> bool:
    """Return whether a path is a URL, such as `s3://bucket/folder`."""
    return "://" in path


def check_url(url: str) -> str:
    """Return a URL in its plain form after checking that it exists.

    Raises:
        UsageError: The protocol is not installed, nothing is there, or the store does not answer.
    """
    try:
        system = _system(_protocol(url))
        if not system.exists(url):
            raise UsageError(f"{url}: no such folder or file")
        return str(system.unstrip_protocol(system._strip_protocol(url))).rstrip("/")
    except (ImportError, ValueError):
        raise UsageError(
            f"{url}: cannot be read here; install its protocol: pip install 'medcl[cluster]'"
        ) from None
    except OSError as error:
        raise UsageError(
            f"{url}: no answer ({type(error).__name__}); check address and credentials"
        ) from None


def list_files(url: str) -> Iterator[tuple[str, int, int]]:
    """Yield (URL, bytes, time of change in ns) of every object under `url`, sorted by name."""
    system = _system(_protocol(url))
    objects = system.find(url, detail=True)
    for path in sorted(objects):
        yield system.unstrip_protocol(path), int(objects[path]["size"] or 0), _mtime_ns(objects[path])


def status(path: str) -> tuple[int, int]:
    """Return (bytes, time of change in ns).

    Raises:
        OSError: FileNotFoundError when the file is gone.
    """
    if not is_url(path):
        file_status = os.stat(path)
        return file_status.st_size, file_status.st_mtime_ns
    info = _system(_protocol(path)).info(path, refresh=True)
    return int(info["size"] or 0), _mtime_ns(info)


def open_file(path: str) -> BinaryIO:
    """Open a file or object for reading; objects are fetched in blocks as they are read.

    Raises:
        OSError: The file is gone or may not be read.
    """
    if not is_url(path):
        return open(path, "rb")
    system = _system(_protocol(path))
    size = int(system.info(path)["size"] or 0)
    block = min(max(size, 1), WHOLE_BYTES) if size <= WHOLE_BYTES // 8 else BLOCK_BYTES
    return cast(BinaryIO, system.open(path, "rb", block_size=block, cache_type="readahead"))


def _protocol(url: str) -> str:
    return url.partition("://")[0]


@lru_cache(maxsize=8)
def _system(protocol: str) -> Any:
    return fsspec.filesystem(protocol)


def _mtime_ns(info: dict[str, Any]) -> int:
    """Return an object's time of change in ns; 0 where its store does not state it."""
    time = info.get("LastModified") or info.get("mtime") or info.get("created") or 0
    return int(time.timestamp() * 1e9) if isinstance(time, datetime) else int(float(time) * 1e9)
