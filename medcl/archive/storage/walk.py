"""Finding files: a walk that survives loops and locked folders, and the kind of a file by its first bytes."""

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
    """One thing that a walk found.

    Attributes:
        root: the archive that it lies in.
        path: absolute path, private.
        size: bytes.
        mtime_ns: time of last change.
        ctime_ns: time of last change of rights or content, which no program can set back; 0 where unknown.
        fault: ledger reason when it is known without opening (a link, a locked folder), else empty.
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

    Archives that lie inside another, or are given twice, are walked as part of it. The order in which they
    were given does not matter.

    Raises:
        UsageError: none is given, or one is missing or may not be read.
    """
    if not archives:
        raise UsageError("no archive given; name at least one folder or file to scan")
    resolved = sorted({_checked(archive) for archive in archives})
    outermost = [path for path in resolved if not any(path.startswith(f"{other}/") for other in resolved)]
    seen: dict[str, int] = {}
    named = []
    for path in outermost:
        name = path.rpartition("/")[2]
        seen[name] = seen.get(name, 0) + 1
        named.append(Root(path, f"{name}#{seen[name]}" if seen[name] > 1 else name))
    return named


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

    Links are never followed (so there are no loops and no way out of the archive); they and folders that may
    not be opened are entries with a fault.
    """
    for root in roots:
        if is_url(root.path):
            yield from (Entry(root, path, size, changed) for path, size, changed in list_files(root.path))
        elif Path(root.path).is_file():
            yield Entry(root, root.path, *status(root.path), ctime_ns=os.stat(root.path).st_ctime_ns)
        else:
            yield from _walk_folder(root)


def _walk_folder(root: Root) -> Iterator[Entry]:
    waiting = [root.path]
    while waiting:
        path = waiting.pop()
        try:
            with os.scandir(path) as listing:
                children = sorted(listing, key=lambda child: child.name)
        except OSError:
            yield Entry(root, path, 0, 0, "UNREADABLE_FOLDER")
            continue
        for child in children:
            if child.is_dir(follow_symlinks=False):
                waiting.append(child.path)
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
