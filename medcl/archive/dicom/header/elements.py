"""Raw values and offsets of the requested elements of a DICOM file, as the parser finds them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medcl.archive.flags import quarantined

MAX_SEQUENCE = 32 << 20
IMPLICIT, EXPLICIT = str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian)
BIG_ENDIAN, DEFLATED = str(ExplicitVRBigEndian), str(DeflatedExplicitVRLittleEndian)
NATIVE = (IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED)


@dataclass
class Elements:
    """Requested elements of one file.

    Attributes:
        stream: where `pixel_start` counts from (the file, or its inflated data set).
        size: bytes of `stream`.
        syntax: transfer syntax UID.
        explicit, little: of the data set.
        values: tag to raw value, for the requested tags.
        sequences: tag to (start of the element, end), for the requested sequences.
        pixel_tag: one of `tags.PIXELS`, or 0 when there are no pixels.
        pixel_vr: `OB`, `OW`, ...; empty in implicit VR.
        pixel_start, pixel_length: of the pixels' value; the length is -1 when they are encapsulated.
        flags: what was odd about the file.
    """

    stream: BinaryIO
    size: int
    syntax: str = EXPLICIT
    explicit: bool = True
    little: bool = True
    values: dict[int, bytes] = field(default_factory=dict)
    sequences: dict[int, tuple[int, int]] = field(default_factory=dict)
    pixel_tag: int = 0
    pixel_vr: str = ""
    pixel_start: int = 0
    pixel_length: int = 0
    flags: set[str] = field(default_factory=set)

    def items(self, tag: int) -> list[Any]:
        """Return the items of a wanted sequence as pydicom data sets; empty when it is absent.

        Raises:
            Rejected: it is too long or nested too deeply to be sane.
        """
        if tag not in self.sequences:
            return []
        from pydicom.filereader import read_dataset

        start, end = self.sequences[tag]
        if end - start > MAX_SEQUENCE:
            raise quarantined("TOO_LARGE")
        self.stream.seek(start)
        content = self.stream.read(end - start)
        try:
            dataset = read_dataset(io.BytesIO(content), not self.explicit, self.little)
            return list(dataset[tag].value or [])
        except Exception:  # whatever pydicom stumbles over, RecursionError included
            raise quarantined("BAD_HEADER") from None
