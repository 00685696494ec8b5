"""What the header stage knows about a scan that stands in one file (NIfTI, picture, npz)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ScanInfo:
    """One scan inside one file; everything here may be published.

    Attributes:
        part: where in the file, such as `frame:3` or `train:17`; empty when the file is the scan.
        source: `nifti`, `image` or `npz`.
        kind: `volume` or `picture`.
        shape: of the array that reading gives.
        spacing_mm: of its spatial axes, or None when unknown.
        unit: `a.u.` or `display`.
        flags: codes seen in the header.
        source_split, source_label: what an npz says itself.
        affine: of the array, its first three rows one after the other; None without a place in space.
    """

    part: str
    source: str
    kind: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    unit: str
    flags: tuple[str, ...]
    source_split: str | None = None
    source_label: str | None = None
    affine: tuple[float, ...] | None = None
