"""Pseudonyms, and the private folder, the only place where real names and paths are stored.

Every identifier that leaves the archive is an HMAC-SHA256 under a key that is never stored with the data.
With the key, a patient has the same pseudonym in every catalog; without it, no pseudonym can be resolved.
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
"""Root loggers of the libraries that see file contents or names."""


def home() -> Path:
    """Return the private folder ($MEDCL_HOME, by default ~/.medcl), created with owner-only permissions.

    Raises:
        UsageError: The folder cannot be created.
    """
    folder = Path(os.environ.get("MEDCL_HOME") or Path.home() / ".medcl")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: cannot be created ({error.strerror}); set MEDCL_HOME to a writable folder"
        ) from None
    return folder


def private_folder(name: str) -> Path:
    """Return a subfolder of the private folder, created with owner-only permissions."""
    folder = home() / name
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def private_file(path: Path) -> Path:
    """Create an empty file with owner-only permissions, so that its content is private from the start."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    return path


def pseudonym(kind: str, value: str) -> str:
    """Return the pseudonym of an identifier, such as `p-0f3a5b...` (16 hexadecimal digits, 64 bits).

    Args:
        kind: `patient` (PatientID), `study`, `series` (their UIDs), `scan`, `file` or `site`; a value has
            unrelated pseudonyms under different kinds.
        value: Identifier as in the file, without surrounding spaces.
    """
    message = f"{kind}\0{value}".encode("utf-8", "surrogateescape")
    digest = hmac.digest(_key(os.environ.get("MEDCL_HOME")), message, "sha256")
    return f"{PREFIXES.get(kind, kind)}-{digest[:8].hex()}"


@lru_cache(maxsize=4)
def _key(setting: str | None) -> bytes:
    """Return the key of the private folder, created on first use.

    Args:
        setting: Value of MEDCL_HOME, the key of the cache; reading the file each time would cost more than
            the hash.

    Raises:
        UsageError: The key has the wrong length.
    """
    path = home() / "pseudonym.key"
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise UsageError(
            f"{path}: not a pseudonym key of {KEY_BYTES} bytes; restore it, or delete it and scan again"
        )
    return key


def _make_key(path: Path) -> None:
    """Write a new key to a temporary file and link it to `path`, which only the first process can do."""
    temporary = path.with_name(f".pseudonym.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(secrets.token_bytes(KEY_BYTES))
    try:
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()


@contextlib.contextmanager
def silenced_loggers() -> Iterator[None]:
    """Silence the warnings and loggers of libraries that read files, because their messages quote contents.

    All loggers of a library are silenced, including those created later, since their records end at its
    root logger. Several threads may use this at once; it ends when the last one leaves.
    """
    with _SILENCED.lock:
        _SILENCED.threads += 1
        if _SILENCED.threads == 1:
            _SILENCED.restore.enter_context(_silence())
    try:
        yield
    finally:
        with _SILENCED.lock:
            _SILENCED.threads -= 1
            if _SILENCED.threads == 0:
                _SILENCED.restore.close()


class _SilencedLoggers:
    """Number of threads inside `silenced_loggers`, and the stack that restores the loggers."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads = 0
        self.restore = contextlib.ExitStack()


_SILENCED = _SilencedLoggers()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in LOUD_LOGGERS]
    saved = [(logger.handlers, logger.propagate) for logger in loggers]
    try:
        for logger in loggers:
            logger.handlers, logger.propagate = [logging.NullHandler()], False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, saved, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
