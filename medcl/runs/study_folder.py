"""The folder of a study, which the same command resumes and another configuration may not touch."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from medcl.config import Config, dump, load
from medcl.errors import UsageError
from medcl.files import write_text

CONFIG_FILE, LOCK_FILE = "study.yaml", ".lock"


def is_started(folder: Path) -> bool:
    """Return whether a study has written its configuration into `folder`."""
    return (folder / CONFIG_FILE).is_file()


def check_study_folder(folder: Path, config: Config, allowed: Collection[str] = ()) -> None:
    """Check that a study of `config` may start in `folder`, or resume there.

    Args:
        folder: Folder of the study; it need not exist.
        config: Configuration of the study.
        allowed: Names that the folder may hold before the study has started.

    Raises:
        UsageError: The folder holds a study with another configuration, or something other than a study.
    """
    if is_started(folder):
        if load(folder / CONFIG_FILE, type(config)) != config:
            raise UsageError(f"{folder} holds another study, with another configuration; name a new folder")
    elif folder.exists() and {path.name for path in folder.iterdir()} - {LOCK_FILE, *allowed}:
        raise UsageError(f"{folder} holds something other than a study; name a new folder")


def start_study(folder: Path, config: Config) -> None:
    """Write the configuration into `folder`, which from then on belongs to this study alone."""
    write_text(dump(config), folder / CONFIG_FILE)
