"""Opening a file, or a member of a zip or tar as if it were one."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import BinaryIO

from medcl.archive.flags import quarantined
from medcl.archive.storage.containers import container_kind, read_members
from medcl.archive.storage.remote import open_file, status


def open_part(container: str, member: str) -> BinaryIO:
    """Open a file on disk or in object storage, or a member of it by number and name.

    Raises:
        OSError: the file is gone or may not be read.
        Rejected: CHANGED, MISSING or DAMAGED, for a member.
    """
    if not member:
        return open_file(container)
    return io.BytesIO(member_bytes(container, [member])[member])


def member_bytes(container: str, keys: Iterable[str]) -> dict[str, bytes]:
    """Return the content of some members, taken from their container in one pass; raises as `open_part`."""
    with open_file(container) as stream:
        kind = container_kind(stream)
        if kind is None:
            raise quarantined("CHANGED")
        return read_members(stream, kind, status(container)[0], keys)
