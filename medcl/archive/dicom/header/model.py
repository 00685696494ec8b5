"""What medcl keeps of a DICOM header: technical facts, and raw identifiers that never leave memory.

Files of a series agree in most values: `Attributes` is the shared part, `DicomHeader` what is a file's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from medcl.archive.dicom.header.values import Vector


@dataclass(frozen=True, slots=True)
class Attributes:
    """Facts that files of a series usually share; the names follow the standard's keywords."""

    sop_class: str = ""
    modality: str = "unknown"
    image_type: tuple[str, ...] = ()
    patient_id: str = field(default="", repr=False)
    study_uid: str = field(default="", repr=False)
    series_uid: str = field(default="", repr=False)
    frame_of_reference: str = field(default="", repr=False)
    concatenation: str = field(default="", repr=False)
    site: str = field(default="", repr=False)
    manufacturer: str | None = None
    body_part: str | None = None
    rows: int = 0
    columns: int = 0
    samples: int = 1
    planar: int = 0
    photometric: str = ""
    bits_allocated: int = 0
    bits_stored: int = 0
    high_bit: int = 0
    signed: bool = False
    n_frames: int = 1
    orientation: Vector | None = None
    pixel_spacing: Vector | None = None
    aspect: Vector | None = None
    imager_spacing: Vector | None = None
    nominal_spacing: Vector | None = None
    magnification: float | None = None
    thickness: float | None = None
    spacing_between: float | None = None
    slope: float | None = None
    intercept: float | None = None
    rescale_type: str = ""
    padding: bytes = b""
    padding_limit: bytes = b""
    float_padding: float | None = None
    double_padding: float | None = None
    presentation: str = ""
    presentation_shape: str = ""
    lossy: bool = False
    burned_in: str = ""
    conversion: str = ""
    acquisition: str = ""
    temporal: str = ""
    echo_time: float | None = None
    echo: str = ""
    b_value: float | None = None
    gradient: Vector | None = None
    trigger: float | None = None
    contrast: str = field(default="", repr=False)
    kernel: str = ""
    sequence: str = ""
    filter: str = ""
    diameter: float | None = None
    kvp: float | None = None
    inversion_time: float | None = None
    complex_part: str = ""
    cardiac_phase: float | None = None
    n_phases: int = 1
    series_number: str = ""
    protocol: str = field(default="", repr=False)
    acquisition_time: str = field(default="", repr=False)
    tilt: float | None = None
    scale_slope: float | None = None
    bad_values: bool = False


@dataclass(frozen=True, slots=True)
class Region:
    """The part of an ultrasound screen that is an image.

    Attributes:
        top, bottom, left, right: first row, last row + 1, first column, last column + 1.
        spacing: mm between rows, between columns; None when not stated.
    """

    top: int
    bottom: int
    left: int
    right: int
    spacing: Vector | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a file: its place, its scale and the tags by which series are split.

    Attributes:
        index: of the frame in the file (of the tile in a mosaic).
        position: of its first voxel's center, LPS mm.
        orientation: direction of rows then of columns, LPS.
        spacing: mm between rows, between columns.
        thickness: mm, as stated.
        slope, intercept: None when not stated.
        rescale_type: unit of what they give, such as `HU`; empty when not stated.
        keys: values of `SPLIT_KEYS`, and further ones of an enhanced object.
        dimensions: DimensionIndexValues of an enhanced object, by which its frames are ordered.
        subset: part of the file that the frame belongs to (an energy window, a stack, a region), as the
            header says; frames of different subsets never make one scan.
        region: what the frame is cropped to.
    """

    index: int
    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None
    thickness: float | None
    slope: float | None
    intercept: float | None
    keys: tuple[Any, ...]
    rescale_type: str = ""
    dimensions: tuple[int, ...] = ()
    subset: str = ""
    region: Region | None = None


SPLIT_KEYS = (
    "acquisition", "temporal", "echo_time", "echo", "b_value", "gradient", "trigger", "contrast", "kernel",
    "image_type", "thickness", "sequence", "filter", "diameter", "kvp", "inversion_time", "complex_part",
    "cardiac_phase", "series_number", "acquisition_time",
)  # fmt: skip
"""Attributes in which two slices at one position may differ, in the order in which they are compared."""
RECONSTRUCTION_KEYS = frozenset(
    {
        "echo_time",
        "b_value",
        "kernel",
        "image_type",
        "thickness",
        "filter",
        "diameter",
        "kvp",
        "series_number",
    }
)
"""Keys in which the slices of one volume agree, even where no two slices share a place."""
TIME_KEYS = ("temporal", "trigger", "cardiac_phase", "acquisition_time", "acquisition")
"""Keys that order the moments at which one slice was taken."""


@dataclass(frozen=True, slots=True)
class DicomHeader:
    """Attributes of one file by which files are grouped. Identifiers are raw and for memory only.

    Attributes:
        shared: what other files of the series say too.
        sop_uid: SOPInstanceUID.
        instance: InstanceNumber.
        position: ImagePositionPatient of a single-frame file.
        syntax: transfer syntax UID.
        pixel_tag, pixel_start, pixel_length: where the value of the pixels is in the (inflated) data set; the
            length is -1 when it is encapsulated.
        probe: checksum of a sample of the pixels' bytes: files that differ in it are no copies.
        crc: checksum of all the pixels' bytes if they were in memory (as members of a zip or tar are).
        tiles: rows and columns of tiles in a mosaic; None for anything else.
        functional: frames of an enhanced or nuclear medicine object, or tiles of a mosaic.
        modality_lut: whether stored values go through a table.
        activity: of a PET, the unit that its tags allow (`SUV`, `Bq/ml`, `a.u.`) and the factor to it.
        regions: images within an ultrasound screen; empty where the whole frame is one.
        flags: what was noticed.
    """

    shared: Attributes
    sop_uid: str = field(repr=False)
    instance: int | None
    position: Vector | None
    syntax: str
    pixel_tag: int
    pixel_start: int
    pixel_length: int
    probe: int
    crc: int | None = None
    tiles: tuple[int, int] | None = None
    functional: tuple[Frame, ...] = ()
    modality_lut: bool = False
    activity: tuple[str, float] = ("a.u.", 1.0)
    regions: tuple[Region, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows and columns of one frame (of one tile of a mosaic)."""
        down, across = self.tiles or (1, 1)
        return self.shared.rows // down, self.shared.columns // across

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames of the file."""
        if self.functional:
            return self.functional
        frame = plain_frame(self.shared, self.position)
        if self.regions:
            return tuple(
                replace(frame, index=index, position=None, region=region, subset=str(number))
                for number, region in enumerate(self.regions)
                for index in range(self.shared.n_frames)
            )
        if self.shared.n_frames <= 1:
            return (frame,)
        return tuple(replace(frame, index=number, position=None) for number in range(self.shared.n_frames))


def plain_frame(shared: Attributes, position: Vector | None) -> Frame:
    """Return the one frame of a single-frame file."""
    return Frame(
        index=0,
        position=position,
        orientation=shared.orientation,
        spacing=shared.pixel_spacing,
        thickness=shared.thickness,
        slope=shared.slope,
        intercept=shared.intercept,
        rescale_type=shared.rescale_type,
        keys=tuple([getattr(shared, name) for name in SPLIT_KEYS]),
    )
