"""Finding files, with links not followed and locked folders reported."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medcl.archive.storage.remote import check_url, is_url, list_files, status
from medcl.errors import UsageError


@dataclass(frozen=True, slots=True)
class Root:
    """One archive: its resolved path (private), and a name that no other archive of the scan has."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, link or unreadable folder of an archive.

    Attributes:
        root: The archive that it is in.
        path: Absolute path; private.
        size: Length in bytes.
        mtime_ns: Time of last change.
        ctime_ns: Time of last change of rights or content, which programs cannot set back; 0 where unknown.
        fault: Ledger reason when it is known without opening (a link, a locked folder), else empty.
    """

    root: Root = field(repr=False)
    path: str = field(repr=False)
    size: int
    mtime_ns: int
    fault: str = ""
    ctime_ns: int = 0

    @property
    def key(self) -> str:
        """The archive's name and the path inside it: the value behind the file's pseudonym; private."""
        return self.root.name + self.path.removeprefix(self.root.path)


def check_roots(archives: Sequence[Path | str]) -> list[Root]:
    """Return the archives to walk, each once.

    An archive inside another is walked as part of it. The order in which archives are given does not matter.

    Raises:
        UsageError: None is given, or one is missing or may not be read.
    """
    if not archives:
        raise UsageError("no archive given; name at least one folder or file to scan")
    resolved = sorted({_checked(archive) for archive in archives})
    outermost = [path for path in resolved if not any(path.startswith(f"{other}/") for other in resolved)]
    counts: dict[str, int] = {}
    roots = []
    for path in outermost:
        name = path.rpartition("/")[2]
        counts[name] = counts.get(name, 0) + 1
        roots.append(Root(path, f"{name}#{counts[name]}" if counts[name] > 1 else name))
    return roots


def _checked(archive: Path | str) -> str:
    if is_url(str(archive)):
        return check_url(str(archive))
    path = Path(archive)
    if not path.exists():
        raise UsageError(f"{archive}: no such folder or file")
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise UsageError(f"{archive}: may not be read; check its permissions")
    return str(path.resolve())


def walk(roots: Sequence[Root]) -> Iterator[Entry]:
    """Yield every file under `roots` in an order that depends on names alone.

    Links are not followed (so there are no loops and no way out of the archive); links, and folders that may
    not be opened, are entries with a fault.
    """
    for root in roots:
        if is_url(root.path):
            yield from (Entry(root, path, size, changed) for path, size, changed in list_files(root.path))
        elif Path(root.path).is_file():
            yield Entry(root, root.path, *status(root.path), ctime_ns=os.stat(root.path).st_ctime_ns)
        else:
            yield from _walk_folder(root)


def _walk_folder(root: Root) -> Iterator[Entry]:
    folders = [root.path]
    while folders:
        path = folders.pop()
        try:
            with os.scandir(path) as listing:
                children = sorted(listing, key=lambda child: child.name)
        except OSError:
            yield Entry(root, path, 0, 0, "UNREADABLE_FOLDER")
            continue
        for child in children:
            if child.is_dir(follow_symlinks=False):
                folders.append(child.path)
            else:
                yield _entry(root, child)


def _entry(root: Root, child: os.DirEntry[str]) -> Entry:
    try:
        status = child.stat(follow_symlinks=False)
    except OSError:
        return Entry(root, child.path, 0, 0, "UNREADABLE")
    fault = ""
    if stat.S_ISLNK(status.st_mode):
        fault = "SYMLINK"
    elif not stat.S_ISREG(status.st_mode):
        fault = "SPECIAL_FILE"
    return Entry(root, child.path, status.st_size, status.st_mtime_ns, fault, status.st_ctime_ns)
