"""Symbolic links: which are followed, and under which of its names a file is read.

DataLad and git-annex, the Hugging Face cache and the work folders of Nextflow keep files under keys, and only
the links to them say what they are. A file with several names is therefore read under that of a link, once.
"""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

Key = tuple[int, int]
"""Device and inode of a file or folder."""

STORES = frozenset({".git", ".datalad", ".dvc"})
"""Folders in which git, DataLad and DVC keep versions of files under keys."""

_ANNEX = re.compile(r"(^|/)\.git/annex/objects/")


@dataclass(frozen=True)
class _Link:
    """A link, and the folders that it is in, from the archive down."""

    path: str
    folders: tuple[Key, ...]


class Links:
    """What the links below some folders lead to.

    A folder is walked through one link at most, and never through a link inside of it, so that there are no
    loops and no combinations of links.

    Args:
        archives: Absolute paths of folders and files.

    Attributes:
        followed: Links to folders that are walked.
        faults: Reason of every folder, or link to one, that is not walked.
    """

    def __init__(self, archives: Iterable[str]) -> None:
        self.followed: set[str] = set()
        self.faults: dict[str, str] = {}
        self._names: dict[Key, str] = {}
        self._linked: set[Key] = set()
        self._pending: deque[_Link] = deque()
        for path in archives:
            status = os.stat(path)
            if stat.S_ISDIR(status.st_mode):
                self._walk(path, (_key(status),), is_linked=False)
            else:
                self._names.setdefault(_key(status), path)
        self._pending = deque(sorted(self._pending, key=lambda link: link.path))
        while self._pending:
            self._follow(self._pending.popleft())

    def is_named(self, path: str, status: os.stat_result) -> bool:
        """Return whether a file is read under this path; of hard links, the first is."""
        if status.st_nlink > 1:
            return self._names.setdefault(_key(status), path) == path
        return self._names.get(_key(status), path) == path

    def _walk(self, top: str, keys: tuple[Key, ...], is_linked: bool) -> None:
        """Collect the links below a folder, and give its files their names if a link leads to it."""
        folders = [(top, keys)]
        while folders:
            path, keys = folders.pop()
            for child in children(path) or ():
                if child.is_symlink():
                    self._pending.append(_Link(child.path, keys))
                elif child.is_dir(follow_symlinks=False):
                    key = _key_of(child)
                    if key is not None and (not is_linked or self._enters(child.path, key, keys)):
                        folders.append((child.path, (*keys, key)))
                elif is_linked and (key := _key_of(child)) is not None:
                    self._names.setdefault(key, child.path)

    def _follow(self, link: _Link) -> None:
        try:
            status = os.stat(link.path)
        except OSError:
            return
        key = _key(status)
        if stat.S_ISREG(status.st_mode):
            self._names.setdefault(key, link.path)
        elif stat.S_ISDIR(status.st_mode):
            if _is_inside_target(link.path):
                self.faults[link.path] = "LINK_LOOP"
            elif self._enters(link.path, key, link.folders):
                self.followed.add(link.path)
                self._walk(link.path, (*link.folders, key), is_linked=True)

    def _enters(self, path: str, key: Key, folders: tuple[Key, ...]) -> bool:
        """Return whether a folder is walked under a path to which a link leads; if not, record why."""
        if key in folders or key in self._linked:
            self.faults[path] = "LINK_LOOP" if key in folders else "LINK_REPEATED"
            return False
        self._linked.add(key)
        return True


def children(folder: str) -> list[os.DirEntry[str]] | None:
    """Return what is in a folder by name, or None where it may not be read."""
    try:
        with os.scandir(folder) as listing:
            return sorted(listing, key=lambda child: child.name)
    except OSError:
        return None


def broken_link_fault(path: str) -> str:
    """Return the reason of a link whose target is not there or may not be read."""
    return "ANNEX_NOT_FETCHED" if is_annexed(path) else "LINK_DANGLING"


def is_annexed(path: str) -> bool:
    """Return whether a path is a link to an object of git-annex."""
    try:
        return _ANNEX.search(os.readlink(path)) is not None
    except OSError:
        return False


def link_target(path: str) -> str:
    """Return the path of the file that a link leads to; empty for no link, and for a file that has a key."""
    target = os.path.realpath(path)
    return "" if target == path or STORES & set(target.split("/")) else target


def _key(status: os.stat_result) -> Key:
    """Return what all names of one file or folder have in common."""
    return status.st_dev, status.st_ino


def _key_of(child: os.DirEntry[str]) -> Key | None:
    """Return the key of a file or folder, or None where its path is too long or it is gone."""
    try:
        return _key(child.stat(follow_symlinks=False))
    except OSError:
        return None


def _is_inside_target(path: str) -> bool:
    folder = os.path.realpath(os.path.dirname(path)) + "/"
    return folder.startswith(os.path.realpath(path).rstrip("/") + "/")
