"""Run folders: configuration, data and environment of a run, so that it can be repeated, and their lock."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import medcl
from medcl.config import Config, dump
from medcl.errors import UsageError
from medcl.files import write_json, write_text

PACKAGES = ("torch", "monai", "lightning-fabric", "scikit-learn", "pydicom", "nibabel", "numpy", "pandas")


def describe_run(folder: Path, config: Config, provenance: dict[str, Any]) -> None:
    """Write config.yaml, environment.json and provenance.json into `folder`.

    Args:
        folder: Folder of the run.
        config: Resolved configuration.
        provenance: What the run depends on, such as hashes of its inputs; the version of medcl is added.
    """
    write_text(dump(config), folder / "config.yaml")
    write_json({"code": medcl.__version__, **provenance}, folder / "provenance.json")
    write_json(environment(), folder / "environment.json")


def environment() -> dict[str, Any]:
    """Return versions and hardware, without host or user name."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "gpu": gpu,
        "packages": {name: version(name) for name in PACKAGES},
    }


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock `folder`, created if missing, for this process; the lock ends with the process, however it dies.

    Raises:
        UsageError: Another process works there; its number is named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise UsageError(
                f"{folder} is in use by process {stream.read().strip()}; wait for it or stop it"
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
