"""Outcomes of the header stage as JSON text for the private index and back; nothing is executed.

A record is written as `{name: values that differ from its defaults}`. The attributes that the files of a
series share are a separate text inside the text, which is decoded once.
"""

from __future__ import annotations

import json
from dataclasses import MISSING
from functools import lru_cache
from typing import Any

from medcl.archive.dicom import Attributes, DicomHeader, Frame, LabelHeader, Region
from medcl.archive.formats.dataset_json import DatasetDescription
from medcl.archive.formats.scan_info import DataFile, ScanInfo
from medcl.archive.formats.sidecar import Sidecar
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.storage.walk import Entry

RECORDS: tuple[type[Any], ...] = (
    *(Attributes, DicomHeader, ScanInfo, Frame, Region, LabelHeader, Sidecar, DataFile),
    DatasetDescription,
)
KINDS = {kind.__name__: kind for kind in RECORDS}


def encode(outcome: FileOutcome) -> str:
    """Return the outcome of one file or member as text."""
    return _to_json(_to_plain([getattr(outcome, name) for name in _OUTCOME_FIELDS]))


def decode(text: str, entry: Entry) -> FileOutcome:
    """Return the outcome of which `encode` made the text; `entry` is its file."""
    return FileOutcome(entry, *_from_plain(json.loads(text)))


_OUTCOME_FIELDS = [name for name in FileOutcome.__dataclass_fields__ if name != "entry"]
FIELDS = [_OUTCOME_FIELDS, *((kind.__name__, list(kind.__dataclass_fields__)) for kind in RECORDS)]
"""The fields of a text; a text with other fields cannot be read."""


def _to_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _to_plain(value: Any) -> Any:
    """Return a value as lists, dictionaries, numbers and text."""
    if isinstance(value, (tuple, list)):
        return [_to_plain(part) for part in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, Attributes):
        return {"shared": _shared_text(value)}
    if type(value).__name__ in KINDS:
        return {type(value).__name__: _non_defaults(value)}
    return value


@lru_cache(maxsize=256)
def _shared_text(shared: Attributes) -> str:
    return _to_json(_non_defaults(shared))


def _non_defaults(record: Any) -> dict[str, Any]:
    return {
        name: _to_plain(value)
        for name, field in type(record).__dataclass_fields__.items()
        if (value := getattr(record, name)) != field.default or field.default is MISSING
    }


def _from_plain(value: Any) -> Any:
    """Undo `_to_plain`; lists become tuples, as frozen records hold them."""
    if isinstance(value, list):
        return tuple([_from_plain(part) for part in value])
    if not isinstance(value, dict):
        return value
    ((name, content),) = value.items()
    if name == "bytes":
        return bytes.fromhex(content)
    if name == "shared":
        return _shared_attributes(content)
    return KINDS[name](**{key: _from_plain(part) for key, part in content.items()})


@lru_cache(maxsize=4096)
def _shared_attributes(text: str) -> Attributes:
    return Attributes(**{key: _from_plain(part) for key, part in json.loads(text).items()})
