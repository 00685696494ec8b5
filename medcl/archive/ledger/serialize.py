"""What the header stage found, as JSON text for the private index and back again; nothing is executed.

A record is written as `[name, values that differ from its defaults]`. What the files of a series share is a
text of its own inside the text, and is decoded once.
"""

from __future__ import annotations

import json
from dataclasses import MISSING
from functools import lru_cache
from typing import Any

from medcl.archive.dicom.header.model import Attributes, DicomHeader, Frame
from medcl.archive.dicom.labels.rtstruct import LabelHeader
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.formats.sidecar import Sidecar
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.storage.walk import Entry

RECORDS: tuple[type[Any], ...] = (Attributes, DicomHeader, ScanInfo, Frame, LabelHeader, Sidecar)
KINDS = {kind.__name__: kind for kind in RECORDS}


def encode(outcome: FileOutcome) -> str:
    """Return the findings of one file or member as text."""
    return _dumped(_plain([getattr(outcome, name) for name in _OWN]))


def decode(text: str, entry: Entry) -> FileOutcome:
    """Return what `encode` was given for `entry`."""
    return FileOutcome(entry, *_record(json.loads(text)))


_OWN = [name for name in FileOutcome.__dataclass_fields__ if name != "entry"]
FIELDS = [_OWN, *((kind.__name__, list(kind.__dataclass_fields__)) for kind in RECORDS)]
"""The fields that a text may hold: a text of other fields cannot be read."""


def _dumped(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Return a value made of what JSON knows."""
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, Attributes):
        return {"shared": _shared_text(value)}
    if type(value).__name__ in KINDS:
        return {type(value).__name__: _differing(value)}
    return value


@lru_cache(maxsize=256)
def _shared_text(shared: Attributes) -> str:
    return _dumped(_differing(shared))


def _differing(record: Any) -> dict[str, Any]:
    return {
        name: _plain(value)
        for name, field in type(record).__dataclass_fields__.items()
        if (value := getattr(record, name)) != field.default or field.default is MISSING
    }


def _record(value: Any) -> Any:
    """Return the value that `_plain` was given; every list becomes a tuple, as frozen records hold them."""
    if isinstance(value, list):
        return tuple([_record(part) for part in value])
    if not isinstance(value, dict):
        return value
    ((name, content),) = value.items()
    if name == "bytes":
        return bytes.fromhex(content)
    if name == "shared":
        return _shared(content)
    return KINDS[name](**{key: _record(part) for key, part in content.items()})


@lru_cache(maxsize=4096)
def _shared(text: str) -> Attributes:
    return Attributes(**{key: _record(part) for key, part in json.loads(text).items()})
