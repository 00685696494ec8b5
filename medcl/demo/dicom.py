"""Synthetic DICOM series as of a scanner: a file per slice, with complete headers marked synthetic."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from medcl.demo.modality import INTERCEPT, UNIT, WINDOW_CENTER, WINDOW_WIDTH, Scanner, acquisition
from medcl.demo.patients import Patient
from medcl.demo.scanner import Grid

RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])
NOTICE = "SYNTHETIC: made by medcl, no patient exists"


def uid(*parts: object) -> str:
    """Return a UID determined by `parts` (UUID-derived root 2.25, DICOM PS3.5 B.2)."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big') | 1 << 127}"


def series(patient: Patient, scanner: Scanner, grid: Grid, values: np.ndarray) -> Iterator[Dataset]:
    """Yield a dataset per slice of `values` (columns, rows, slices), in slice order of the grid."""
    stored = _stored(values, grid, scanner)
    axes = grid.affine[:3, :3] * RAS_TO_LPS[:, None]
    along, down = axes[:, 0] / np.linalg.norm(axes[:, 0]), axes[:, 1] / np.linalg.norm(axes[:, 1])
    downward = grid.affine[2, 2] < 0
    header = _header(patient, scanner, "axial")
    header.ImageOrientationPatient = [_decimal(value) for value in (*along, *down)]
    header.PixelSpacing = [_decimal(np.linalg.norm(axes[:, 1])), _decimal(np.linalg.norm(axes[:, 0]))]
    header.SliceThickness, header.ReconstructionDiameter = (
        _decimal(scanner.slice_mm),
        _decimal(scanner.field_mm),
    )
    header.RescaleIntercept, header.RescaleSlope = "0" if scanner.signed else str(INTERCEPT), "1"
    header.RescaleType, header.WindowCenter, header.WindowWidth = UNIT, str(WINDOW_CENTER), str(WINDOW_WIDTH)
    for index in range(values.shape[2]):
        data = Dataset(dict(header.items()))
        position = (grid.affine @ (0, 0, index, 1))[:3] * RAS_TO_LPS
        number = index + 1 if downward else values.shape[2] - index
        data.InstanceNumber = number
        data.SOPInstanceUID = uid(patient.seed, patient.name, "axial", number)
        data.ImagePositionPatient = [_decimal(value) for value in position]
        data.SliceLocation = _decimal(position[2])
        _pixels(data, np.ascontiguousarray(stored[:, :, index].T), scanner)
        yield data


def scout(patient: Patient, scanner: Scanner, values: np.ndarray) -> Dataset:
    """Return the localizer: the volume projected to the front."""
    data = _header(patient, scanner, "scout")
    data.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    data.SOPInstanceUID, data.InstanceNumber = uid(patient.seed, patient.name, "scout", 1), 1
    data.ImagePositionPatient, data.ImageOrientationPatient = (
        ["-132", "0", "38"],
        ["1", "0", "0", "0", "0", "-1"],
    )
    data.PixelSpacing = [_decimal(scanner.slice_mm), _decimal(scanner.field_mm / scanner.matrix)]
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = str(INTERCEPT), "1", UNIT
    front = np.rint(values.astype(np.float32).mean(axis=1)).T - INTERCEPT
    _pixels(data, np.ascontiguousarray(front).astype(np.uint16), None)
    return data


def screenshot(patient: Patient, scanner: Scanner, values: np.ndarray) -> Dataset:
    """Return a secondary capture: a windowed slice in color, as a workstation saves it."""
    data = _header(patient, scanner, "screenshot")
    data.SOPClassUID, data.Modality = SecondaryCaptureImageStorage, "OT"
    data.ImageType, data.ConversionType, data.BurnedInAnnotation = ["DERIVED", "SECONDARY"], "WSD", "YES"
    data.SOPInstanceUID, data.InstanceNumber = uid(patient.seed, patient.name, "screenshot", 1), 1
    darkest = WINDOW_CENTER - WINDOW_WIDTH // 2
    middle = values[:, :, values.shape[2] // 2].T
    gray = np.clip((middle - darkest) / WINDOW_WIDTH * 255, 0, 255).astype(np.uint8)
    gray[2:8, 2:40:3] = 255
    data.Rows, data.Columns = gray.shape
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PixelData = np.repeat(gray[..., None], 3, axis=2).tobytes()
    return data


def save(data: Dataset, path: Path) -> None:
    """Write `data` as a DICOM file with preamble and meta information, little endian, uncompressed."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID, meta.ImplementationVersionName = uid("medcl demo"), "MEDCL_SYNTHETIC"
    whole = FileDataset(None, data, file_meta=meta, preamble=b"\0" * 128)
    dcmwrite(path, whole, enforce_file_format=True, little_endian=True, implicit_vr=False)


def _header(patient: Patient, scanner: Scanner, part: str) -> Dataset:
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    for keyword, value in acquisition(scanner).items():
        setattr(data, keyword, value)
    data.PatientName, data.PatientID = f"SYNTHETIC^{patient.name}", patient.name
    data.PatientSex, data.PatientAge, data.PatientBirthDate = patient.sex, f"{patient.age:03d}Y", "19000101"
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = f"2020{1 + patient.number % 12:02d}15"
    data.StudyTime, data.AccessionNumber, data.StudyID = (
        "120000",
        f"SYN{patient.number:05d}",
        str(patient.number),
    )
    data.InstitutionName, data.ReferringPhysicianName = f"SYNTHETIC {scanner.site}", "SYNTHETIC^NOBODY"
    data.Manufacturer, data.ManufacturerModelName = scanner.manufacturer, scanner.model
    data.StudyInstanceUID, data.SeriesInstanceUID = (
        uid(patient.seed, patient.name),
        uid(patient.seed, patient.name, part),
    )
    data.FrameOfReferenceUID, data.PositionReferenceIndicator = uid(patient.seed, patient.name, "frame"), ""
    data.StudyDescription, data.SeriesDescription = "SYNTHETIC ABDOMEN", f"SYNTHETIC {part}"
    data.ImageComments, data.BodyPartExamined, data.PatientPosition = NOTICE, "ABDOMEN", "HFS"
    data.SeriesNumber, data.AcquisitionNumber = {"scout": 1, "axial": 2, "screenshot": 99}[part], 1
    data.PatientIdentityRemoved, data.DeidentificationMethod = "YES", NOTICE
    return data


def _stored(values: np.ndarray, grid: Grid, scanner: Scanner) -> np.ndarray:
    stored = values if scanner.signed else (values.astype(np.int32) - INTERCEPT).astype(np.uint16)
    if scanner.padding is None:
        return stored
    column, row = np.indices(values.shape[:2]) - (scanner.matrix - 1) / 2
    outside = column**2 + row**2 > (scanner.matrix / 2) ** 2
    return np.where(outside[:, :, None], np.int16(scanner.padding), stored)


def _pixels(data: Dataset, stored: np.ndarray, scanner: Scanner | None) -> None:
    data.Rows, data.Columns = stored.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.PixelRepresentation = 16, int(stored.dtype.kind == "i")
    data.BitsStored = 16 if data.PixelRepresentation else 12
    data.HighBit = data.BitsStored - 1
    if scanner is not None and scanner.padding is not None:
        data.add_new("PixelPaddingValue", "SS", scanner.padding)
    data.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()


def _decimal(value: float | np.floating) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")[:16]
