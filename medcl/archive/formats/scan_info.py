"""Description of a scan that is in one file of a registered format, as the header stage makes it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DataFile:
    """File of the voxels of a header that is a file of its own.

    Attributes:
        path: Path or URL of the file, or of the container of a member; private.
        member: Number and name of a member in its container; empty for a file on its own; private.
        size: Length in bytes.
        mtime_ns: Time of the last change of the file on disk.
        head: Hash of its first block.
    """

    path: str = field(repr=False)
    member: str = field(repr=False)
    size: int
    mtime_ns: int
    head: str


@dataclass(frozen=True, slots=True)
class ScanInfo:
    """One scan in one file; all of it but `data` may be published.

    Attributes:
        part: Place in the file, such as `frame:3` or `train:17`; empty when the file has one scan.
        source: Name of the format.
        kind: `volume` or `image`.
        shape: Shape of the array that `load` returns.
        spacing_mm: Spacing along its spatial axes, or None when unknown.
        unit: `a.u.` or `display`.
        flags: Flags of the header, sorted.
        source_split, source_label: Split and label that the file itself states.
        affine: First three rows of the array's affine, one after the other; None without geometry.
        data: File of the voxels, where it is not the file of the header.
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
    data: DataFile | None = None
