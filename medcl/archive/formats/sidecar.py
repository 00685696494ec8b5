"""The JSON beside a NIfTI (BIDS, dcm2niix) says what NIfTI itself cannot: modality, maker, body part."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, BinaryIO

from medcl.archive.vocabulary import body_part, manufacturer, modality

MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Words of closed vocabularies only; nothing else of the file is kept."""

    modality: str
    body_part: str | None
    manufacturer: str | None


def sidecar(stream: BinaryIO, size: int) -> Sidecar | None:
    """Return what a JSON file says of an image of the same name, or None when it says nothing of one."""
    if size > MAX_BYTES:
        return None
    try:
        facts = json.loads(stream.read(size))
    except (ValueError, RecursionError):
        return None
    if not isinstance(facts, dict):
        return None
    found = Sidecar(
        modality(_word(facts, "Modality")),
        body_part(_word(facts, "BodyPartExamined")),
        manufacturer(_word(facts, "Manufacturer")),
    )
    return None if found == Sidecar("unknown", None, None) else found


def _word(facts: dict[str, Any], name: str) -> str:
    value = facts.get(name)
    return value.strip() if isinstance(value, str) else ""


def shared_name(place: str) -> str:
    """Return what a NIfTI and its sidecar have in common: folder and name without suffix."""
    return re.sub(r"\.(nii\.gz|nii|json)$", "", place, flags=re.IGNORECASE)
