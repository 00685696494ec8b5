"""Finding files, each once, with links that are not followed and locked folders reported."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medcl.archive.storage.links import STORES, Links, broken_link_fault, children
from medcl.archive.storage.remote import check_url, is_url, list_files, status
from medcl.errors import UsageError


@dataclass(frozen=True, slots=True)
class Root:
    """One archive.

    Attributes:
        path: Its absolute path; private.
        name: A name that no other archive of the scan has.
        follow_links: Whether links in it are followed.
    """

    path: str
    name: str
    follow_links: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, link or unreadable folder of an archive.

    Attributes:
        root: The archive that it is in.
        path: Absolute path; private.
        size: Length in bytes.
        mtime_ns: Time of last change.
        ctime_ns: Time of last change of rights or content, which programs cannot set back; 0 where unknown.
        fault: Ledger reason when it is known without opening (a link that is not followed, a locked folder),
            else empty.
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


def check_roots(archives: Sequence[Path | str], follow_links: bool = False) -> list[Root]:
    """Return the archives to walk, each once.

    An archive inside another is walked as part of it. The order in which archives are given does not matter.
    An archive that is itself a link is read under the link's name.

    Raises:
        UsageError: None is given, or one is missing or may not be read.
    """
    if not archives:
        raise UsageError("no archive given; name at least one folder or file to scan")
    # Of two names of one archive, its own comes before that of a link.
    named = sorted(
        {_checked(archive) for archive in archives}, key=lambda path: (path != real_path(path), path)
    )
    by_target: dict[str, str] = {}
    for path in named:
        by_target.setdefault(real_path(path), path)
    outermost = [
        path
        for target, path in by_target.items()
        if not any(target.startswith(f"{other}/") for other in by_target)
    ]
    counts: dict[str, int] = {}
    roots = []
    for path in sorted(outermost):
        name = path.rpartition("/")[2]
        counts[name] = counts.get(name, 0) + 1
        name = f"{name}#{counts[name]}" if counts[name] > 1 else name
        roots.append(Root(path, name, follow_links))
    return roots


def real_path(path: str) -> str:
    """Return a path without links; a URL as it is."""
    return path if is_url(path) else os.path.realpath(path)


def _checked(archive: Path | str) -> str:
    if is_url(str(archive)):
        return check_url(str(archive))
    path = Path(archive)
    if not path.exists():
        raise UsageError(f"{archive}: no such folder or file")
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise UsageError(f"{archive}: may not be read; check its permissions")
    return str(path.parent.resolve() / path.name if path.is_symlink() else path.resolve())


def walk(roots: Sequence[Root]) -> Iterator[Entry]:
    """Yield every file under `roots` in an order that depends on names alone.

    Where links are not followed, they are entries with a fault. Where they are, each file is read once, under
    the path of a link to it; its other paths are entries with a fault. So are folders that may not be opened.
    """
    links = Links(root.path for root in roots if root.follow_links and not is_url(root.path))
    for root in roots:
        if is_url(root.path):
            yield from (Entry(root, path, size, changed) for path, size, changed in list_files(root.path))
        elif Path(root.path).is_file():
            yield Entry(root, root.path, *status(root.path), ctime_ns=os.stat(root.path).st_ctime_ns)
        else:
            yield from _walk_folder(root, links)


def _walk_folder(root: Root, links: Links) -> Iterator[Entry]:
    folders = [(root.path, False)]
    while folders:
        path, is_store = folders.pop()
        listing = children(path)
        if listing is None:
            yield Entry(root, path, 0, 0, "UNREADABLE_FOLDER")
            continue
        stores = STORES | ({"blobs"} if any(child.name == "snapshots" for child in listing) else set())
        for child in listing:
            if child.path in links.faults:
                yield Entry(root, child.path, 0, 0, links.faults[child.path])
            elif child.is_dir(follow_symlinks=False) or child.path in links.followed:
                folders.append((child.path, is_store or child.name in stores))
            else:
                yield _entry(root, child, links, is_store)


def _entry(root: Root, child: os.DirEntry[str], links: Links, is_store: bool) -> Entry:
    is_link = child.is_symlink()
    try:
        status = child.stat(follow_symlinks=is_link)
    except OSError:
        return Entry(root, child.path, 0, 0, broken_link_fault(child.path) if is_link else "UNREADABLE")
    if is_link and not root.follow_links:
        fault = "SYMLINK"
    elif not stat.S_ISREG(status.st_mode):
        fault = "SPECIAL_FILE"
    elif root.follow_links and not links.is_named(child.path, status):
        fault = "LINK_REPEATED"
    else:
        fault = "CONTENT_STORE" if is_store and not is_link else ""
    return Entry(root, child.path, status.st_size, status.st_mtime_ns, fault, status.st_ctime_ns)
