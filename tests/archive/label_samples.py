"""A CT series, and segmentations and structures drawn on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import generate_uid

from tests.archive.canaries import canary_slice


def ct_series(folder: Path) -> list[Dataset]:
    series, study, space = (generate_uid() for _ in range(3))
    slices = []
    for number in range(6):
        ds = canary_slice(number, series)
        ds.StudyInstanceUID, ds.FrameOfReferenceUID, ds.PatientID = study, space, "A"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.PatientBirthDate = ds.PatientSex = ds.StudyDate = ds.StudyTime = ds.AccessionNumber = ""
        ds.PatientName = "A"
        ds.Manufacturer = "M"
        ds.SliceThickness = 2
        ds.PositionReferenceIndicator = ""
        ds.PixelData = np.full((8, 8), number, np.int16).tobytes()
        slices.append(ds)
    folder.mkdir(parents=True, exist_ok=True)
    for number, ds in enumerate(slices):
        ds.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return slices


def seg_of(slices: list[Dataset], labels: np.ndarray, kind: str = "BINARY") -> Dataset:
    hd = pytest.importorskip("highdicom")
    code = hd.sr.CodedConcept("123037004", "SCT", "Anatomical Structure")
    segments = [
        hd.seg.SegmentDescription(number, f"s{number}", code, code, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
        for number in (1, 2)
    ]
    return hd.seg.Segmentation(
        source_images=slices,
        pixel_array=labels,
        segmentation_type=kind,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
    )


def rtstruct_of(slices: list[Dataset], contours: list[np.ndarray]) -> Dataset:
    series, study, space = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = slices[0].SeriesInstanceUID
    study.RTReferencedSeriesSequence = DicomSequence([series])
    space.RTReferencedStudySequence = DicomSequence([study])
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.Modality = "RTSTRUCT"
    ds.ReferencedFrameOfReferenceSequence = DicomSequence([space])
    roi = Dataset()
    roi.ReferencedROINumber = 7
    roi.ContourSequence = DicomSequence()
    for points in contours:
        contour = Dataset()
        contour.ContourGeometricType = "CLOSED_PLANAR"
        contour.NumberOfContourPoints = len(points)
        contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
        roi.ContourSequence.append(contour)
    ds.ROIContourSequence = DicomSequence([roi])
    return ds


def square(low: float, high: float, depth: float) -> np.ndarray:
    return np.array([[low, low, depth], [high, low, depth], [high, high, depth], [low, high, depth]])
