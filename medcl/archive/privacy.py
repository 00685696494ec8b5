"""Pseudonyms, and the only place where real names and paths are kept: the owner's private folder.

Every identifier that leaves the archive is HMAC-SHA256 under a key that never stands beside the data. With
the key the same patient gets the same pseudonym in every catalog; without it nothing can be looked up.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import os
import secrets
import threading
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from medcl.errors import UsageError

KEY_BYTES = 32
PREFIXES = {"patient": "p", "scan": "s", "file": "f", "study": "study", "series": "series", "site": "site"}
LOUD_LOGGERS = (
    "pydicom",
    "nibabel",
    "nibabel.global",
    "PIL",
    "pylibjpeg",
    "openjpeg",
    "imagecodecs",
    "fsspec",
    "s3fs",
)
"""Roots of the loggers of libraries that see file contents or names."""


def home() -> Path:
    """Return the private folder ($MEDCL_HOME, by default ~/.medcl), made with owner-only rights."""
    folder = Path(os.environ.get("MEDCL_HOME") or Path.home() / ".medcl")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made ({error.strerror}); set MEDCL_HOME to a folder") from None
    return folder


def private_folder(name: str) -> Path:
    """Return a folder of the private home, made with owner-only rights."""
    folder = home() / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def private_file(path: Path) -> Path:
    """Create `path` empty with owner-only rights, so that what is written to it is private from its start."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    return path


def pseudonym(kind: str, value: str) -> str:
    """Return the pseudonym of an identifier, such as `p-0f3a5b...` (16 hexadecimal digits, 64 bits).

    Args:
        kind: `patient` (PatientID), `study`, `series` (their UIDs), `scan`, `file` or `site`; the same value
            has unrelated pseudonyms under two kinds.
        value: the identifier as it stands in the file, without surrounding spaces.
    """
    message = f"{kind}\0{value}".encode("utf-8", "surrogateescape")
    digest = hmac.digest(_key(os.environ.get("MEDCL_HOME")), message, "sha256")
    return f"{PREFIXES.get(kind, kind)}-{digest[:8].hex()}"


@lru_cache(maxsize=4)
def _key(setting: str | None) -> bytes:
    """Return the key of the private folder, made on first use; processes that start together agree on one.

    `setting` is MEDCL_HOME: asking the folder itself each time would cost more than the hash.
    """
    path = home() / "pseudonym.key"
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise UsageError(f"{path}: not a pseudonym key of {KEY_BYTES} bytes; restore it or remove it")
    return key


def _make_key(path: Path) -> None:
    """Write a new key whole and link it into place, which only the first of two processes can do."""
    fresh = path.with_name(f".pseudonym.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(secrets.token_bytes(KEY_BYTES))
    try:
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()


@contextlib.contextmanager
def silenced_loggers() -> Iterator[None]:
    """Silence warnings and loggers of the libraries that read files: their messages quote what they read.

    Each library's whole tree of loggers goes silent, those that it makes only later included: their records
    end at the tree's root, which passes them to nobody. Threads may hush together: it ends with the last.
    """
    with _HUSH.lock:
        _HUSH.threads += 1
        if _HUSH.threads == 1:
            _HUSH.quiet.enter_context(_silence())
    try:
        yield
    finally:
        with _HUSH.lock:
            _HUSH.threads -= 1
            if _HUSH.threads == 0:
                _HUSH.quiet.close()


class _SilencedLoggers:
    """How many threads want silence, and what ends it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads = 0
        self.quiet = contextlib.ExitStack()


_HUSH = _SilencedLoggers()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LOUD_LOGGERS]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    try:
        for logger in loggers:
            logger.handlers, logger.propagate = [logging.NullHandler()], False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
