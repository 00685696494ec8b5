"""Look-up tables of a DICOM file (PS3.3 C.11.1.1 for the modality, C.11.2.1.1 for the presentation)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LookupTable:
    """A table of `values` for inputs from `first` on, each of so many `bits`."""

    first: int
    values: np.ndarray
    bits: int

    @classmethod
    def of(cls, item: Any, signed: bool, little: bool) -> LookupTable:
        """Read an item of a LUT sequence.

        Args:
            item: pydicom data set.
            signed: whether the inputs are.
            little: byte order of the file.

        Raises:
            ValueError, TypeError: the item is no whole table.
        """
        count, first, bits = (int(value) for value in item.get("LUTDescriptor"))
        count = count or 1 << 16
        if signed and first >= 1 << 15:
            first -= 1 << 16
        values = _numbers(item.get("LUTData"), count, little)
        if len(values) < count:
            raise ValueError("cut off")
        return cls(first, values[:count].astype(np.int32), bits)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Look inputs up; those outside the table take its ends."""
        index = np.clip(np.rint(inputs).astype(np.int64) - self.first, 0, len(self.values) - 1)
        outputs: np.ndarray = self.values[index]
        return outputs


def _numbers(raw: Any, count: int, little: bool) -> np.ndarray:
    """Return a table's numbers: of 16 bits, or of 8 where only these fit."""
    if not isinstance(raw, bytes):
        return np.atleast_1d(np.array(raw))
    if count <= len(raw) < 2 * count:
        return np.frombuffer(raw, np.uint8)
    return np.frombuffer(raw[: len(raw) // 2 * 2], "<u2" if little else ">u2")
