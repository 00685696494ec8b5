"""JSON sidecars of NIfTI files (BIDS, dcm2niix), for what NIfTI lacks: modality, manufacturer, body part."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, BinaryIO

from medcl.archive.vocabulary import body_part, manufacturer, modality

MAX_BYTES = 1 << 20
SUFFIXES = r"\.((nii|hdr)(\.gz)?|json|mh[ad]|nrrd|nhdr|mg[hz]|npy)$"


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Terms of closed vocabularies; nothing else of the file is kept."""

    modality: str
    body_part: str | None
    manufacturer: str | None

    def completed(self, other: Sidecar) -> Sidecar:
        """Return this metadata with what only another sidecar states."""
        return Sidecar(
            other.modality if self.modality == "unknown" else self.modality,
            self.body_part or other.body_part,
            self.manufacturer or other.manufacturer,
        )


def read_sidecar(stream: BinaryIO, size: int) -> Sidecar | None:
    """Return the image metadata of a JSON file, or None when it has none."""
    if size > MAX_BYTES:
        return None
    try:
        metadata = json.loads(stream.read(size))
    except (ValueError, RecursionError):
        return None
    if not isinstance(metadata, dict):
        return None
    sidecar = Sidecar(
        modality(_text(metadata, "Modality")),
        body_part(_text(metadata, "BodyPartExamined")),
        manufacturer(_text(metadata, "Manufacturer")),
    )
    return None if sidecar == Sidecar("unknown", None, None) else sidecar


def _text(metadata: dict[str, Any], name: str) -> str:
    value = metadata.get(name)
    return value.strip() if isinstance(value, str) else ""


def shared_name(place: str) -> str:
    """Return folder and name without suffix, which a NIfTI and its sidecar have in common."""
    return re.sub(SUFFIXES, "", place, flags=re.IGNORECASE)
