"""An analytic phantom in world millimeters, and DICOM series cut from it.

The phantom is a function of place, so a reader can be tested without a reference file: what it returns at
voxel (i, j, k) is compared with the phantom at affine x (i, j, k). The phantom is in HU, smooth (nothing is
thinner than 20 mm) and symmetric in no direction.

    files = phantom.files(phantom.series(phantom.AXIAL))
    ...read them...
    phantom.deviation(array, affine, phantom.tissue).largest  # HU; at most 0.5 for a correct reader
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

PhantomFunction = Callable[[np.ndarray], np.ndarray]
"""Values at points (..., 3) in LPS millimeters."""

CT_IMAGE = CTImageStorage
CANARY = "CANARY^PATIENT"


def tissue(points: np.ndarray) -> np.ndarray:
    """Return the HU of the phantom at points in the patient.

    Args:
        points: Points (..., 3) in LPS millimeters, the frame of DICOM.
    """
    x, y, z = (points[..., axis] / 60.0 for axis in range(3))
    body = 980.0 / (1.0 + np.exp(6.0 * ((x / 1.2) ** 2 + y**2 + (z / 1.5) ** 2 - 1.2)))
    heart = 160.0 * np.exp(-8.0 * ((x - 0.35) ** 2 + (y + 0.2) ** 2 + (z - 0.25) ** 2))
    lung = -420.0 * np.exp(-7.0 * ((x + 0.4) ** 2 + (y + 0.1) ** 2 + (z - 0.1) ** 2))
    return np.asarray(-930.0 + body + heart + lung + 25.0 * x - 18.0 * y + 40.0 * z)


def enhanced(points: np.ndarray) -> np.ndarray:
    """Return the HU of the same patient after contrast agent, as a second acquisition."""
    x, y, z = (points[..., axis] / 60.0 for axis in range(3))
    return tissue(points) + 130.0 * np.exp(-5.0 * ((x - 0.3) ** 2 + y**2 + z**2)) + 12.0


@dataclass(frozen=True)
class SliceGeometry:
    """Position, orientation and spacing of a stack of slices.

    Attributes:
        rows: Rows per slice.
        columns: Columns per slice.
        spacing: Millimeters between rows and between columns.
        row: Unit vector along a row, LPS.
        column: Unit vector down a column, LPS.
        center: Center of the stack, LPS millimeters.
        step: Millimeters between slices along the normal.
        count: Number of slices.
        tilt: Gantry tilt in degrees.
    """

    rows: int = 40
    columns: int = 48
    spacing: tuple[float, float] = (3.5, 3.0)
    row: tuple[float, float, float] = (1.0, 0.0, 0.0)
    column: tuple[float, float, float] = (0.0, 1.0, 0.0)
    center: tuple[float, float, float] = (4.0, -7.0, 3.0)
    step: float = 3.6
    count: int = 24
    tilt: float = 0.0

    @property
    def normal(self) -> np.ndarray:
        """Unit vector along which the slices are ordered."""
        return np.cross(self.row, self.column)

    def positions(self, offsets: Iterable[float] | None = None) -> list[np.ndarray]:
        """Return the position of the first voxel of each slice, in LPS millimeters.

        Args:
            offsets: Millimeters of each slice along the normal from the first; by default evenly spaced.
        """
        middle = (self.count - 1) * self.step / 2
        along = [number * self.step for number in range(self.count)] if offsets is None else list(offsets)
        corner = np.array(self.center, dtype=float)
        corner -= np.array(self.row) * self.spacing[1] * (self.columns - 1) / 2
        corner -= np.array(self.column) * self.spacing[0] * (self.rows - 1) / 2
        direction = self.normal + np.tan(np.radians(self.tilt)) * np.array(self.column)
        return [np.round(corner + (offset - middle) * direction, 6) for offset in along]

    def points(self, position: np.ndarray) -> np.ndarray:
        """Return the voxel positions (row, column, 3) of the slice at `position`, in LPS millimeters."""
        down = np.arange(self.rows)[:, None, None] * self.spacing[0] * np.array(self.column)
        across = np.arange(self.columns)[None, :, None] * self.spacing[1] * np.array(self.row)
        return np.asarray(position + down + across)


AXIAL = SliceGeometry()
CORONAL = SliceGeometry(row=(1.0, 0.0, 0.0), column=(0.0, 0.0, -1.0))
SAGITTAL = SliceGeometry(row=(0.0, 1.0, 0.0), column=(0.0, 0.0, -1.0))
TILTED = replace(AXIAL, tilt=15.0)


def _rotation(degrees: Sequence[float]) -> np.ndarray:
    rotation = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[a, a] = step[b, b] = np.cos(angle)
        step[a, b], step[b, a] = -np.sin(angle), np.sin(angle)
        rotation = rotation @ step
    return rotation


_AXES = np.round(_rotation((11.0, -17.0, 8.0)), 9)
OBLIQUE = SliceGeometry(
    row=(float(_AXES[0, 0]), float(_AXES[1, 0]), float(_AXES[2, 0])),
    column=(float(_AXES[0, 1]), float(_AXES[1, 1]), float(_AXES[2, 1])),
)


def series(
    geometry: SliceGeometry = AXIAL,
    truth: PhantomFunction = tissue,
    offsets: Iterable[float] | None = None,
    name: str = "a",
    **tags: Any,
) -> list[Dataset]:
    """Return a CT series in slice order, one data set per slice: unsigned 12 bits, slope 1, intercept -1024.

    Args:
        geometry: Position and spacing of the slices.
        truth: Function that gives the HU at each point.
        offsets: Millimeters of each slice along the normal from the first; by default evenly spaced.
        name: Series of the same name share their SeriesInstanceUID.
        tags: Further keywords and values of every slice; None removes a tag.
    """
    slices = []
    for number, position in enumerate(geometry.positions(offsets)):
        stored = np.round(truth(geometry.points(position))).astype(np.int32) + 1024
        ds = image(stored.astype(np.uint16), name=name, number=number)
        ds.update(_plane_tags(geometry, position))
        slices.append(put(ds, **tags))
    return slices


def _plane_tags(geometry: SliceGeometry, position: np.ndarray) -> Dataset:
    tags = Dataset()
    tags.ImagePositionPatient = [f"{value:.6f}" for value in position]
    tags.ImageOrientationPatient = [float(f"{value:.9f}") for value in (*geometry.row, *geometry.column)]
    tags.PixelSpacing = list(geometry.spacing)
    return tags


def image(stored: np.ndarray, name: str = "a", number: int = 0, modality: str = "CT") -> Dataset:
    """Return a data set that holds one image of unsigned integers."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CT_IMAGE
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["medcl", name, str(number)])
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["medcl", "study"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["medcl", "series", name])
    ds.FrameOfReferenceUID = generate_uid(entropy_srcs=["medcl", "frame"])
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality = modality
    ds.Manufacturer = "medcl phantom"
    ds.PatientID, ds.PatientName = "medcl", CANARY
    ds.InstanceNumber = number + 1
    ds.AcquisitionNumber = 1
    ds.SliceThickness = 3.6
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    set_pixels(ds, stored)
    return ds


def set_pixels(ds: Dataset, stored: np.ndarray, bits: int | None = None) -> None:
    """Store gray values (row, column) or (frame, row, column) of uint8, uint16 or int16 in a data set."""
    width = stored.dtype.itemsize * 8
    ds.Rows, ds.Columns = stored.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = width
    ds.BitsStored = bits or (12 if stored.dtype == np.uint16 and stored.max() < 4096 else width)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(stored.dtype.kind == "i")
    if stored.ndim == 3:
        ds.NumberOfFrames = stored.shape[0]
    ds.PixelData = stored.tobytes()
    ds["PixelData"].VR = "OB" if width == 8 else "OW"


def put(ds: Dataset, **tags: Any) -> Dataset:
    """Set tags of a data set by keyword and return it; None removes a tag."""
    for keyword, value in tags.items():
        if value is None:
            if keyword in ds:
                delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def encoded(ds: Dataset) -> bytes:
    """Return a data set as the bytes of a DICOM file."""
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def files(datasets: Iterable[Dataset], folder: str = "") -> dict[str, bytes]:
    """Return DICOM files by name; the names have no suffix and do not sort in slice order."""
    return {f"{folder}{(number * 7919 + 13) % 10007:05d}": encoded(ds) for number, ds in enumerate(datasets)}


@dataclass(frozen=True)
class Deviation:
    """Difference between an array and the phantom at the positions that its affine states.

    Attributes:
        largest: Largest absolute difference in HU.
        median: Median absolute difference in HU.
        correlation: Pearson correlation of the array and the phantom.
    """

    largest: float
    median: float
    correlation: float


def deviation(
    array: np.ndarray, affine: np.ndarray, truth: PhantomFunction = tissue, valid: np.ndarray | None = None
) -> Deviation:
    """Compare a volume with the phantom.

    Args:
        array: Volume (i, j, k) in HU.
        affine: Voxel index to RAS+ millimeters, (4, 4).
        truth: Function that gives the expected values.
        valid: Mask of the voxels to compare; by default all.
    """
    index = np.stack(np.meshgrid(*map(np.arange, array.shape), indexing="ij"), axis=-1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    expected = truth(points * [-1.0, -1.0, 1.0])
    compared = np.ones(array.shape, bool) if valid is None else valid
    measured, expected = array[compared].astype(np.float64), expected[compared]
    error = np.abs(measured - expected)
    correlation = np.corrcoef(measured, expected)[0, 1] if measured.std() > 0 else 0.0
    return Deviation(float(error.max()), float(np.median(error)), float(correlation))
