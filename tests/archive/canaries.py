"""A canary (a word that no output may hold), a CT slice full of it, and the search for it in outputs."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

CANARY = "CANARIE"
"""Planted everywhere; no output may hold it, whatever the case or encoding."""

TEXTS = (
    "StationAETitle",  # AE
    "BodyPartExamined",  # CS
    *("InstitutionName", "SeriesDescription", "PatientID", "Manufacturer", "ContrastBolusAgent"),  # LO
    "AdditionalPatientHistory",  # LT
    *("PatientName", "ReferringPhysicianName", "OperatorsName"),  # PN
    *("AccessionNumber", "StudyID", "StationName", "ConvolutionKernel"),  # SH
    "InstitutionAddress",  # ST
    "LongCodeValue",  # UC
    "RetrieveURL",  # UR
    "TextValue",  # UT
)
TEXT_VRS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}


def canary_slice(number: int, series: str) -> Dataset:
    """Return a CT slice with a canary in every text that DICOM allows."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.PrivateInformationCreatorUID = "1.2.3"
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
    ds.SeriesInstanceUID, ds.StudyInstanceUID = series, f"{series[:40]}.1"
    ds.Modality, ds.Rows, ds.Columns = "CT", 8, 8
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    ds.PixelSpacing, ds.ImageOrientationPatient = [1, 1], [1, 0, 0, 0, 1, 0]
    ds.ImagePositionPatient, ds.InstanceNumber = [0, 0, 2 * number], number
    ds.ImageType = ["ORIGINAL", "PRIMARY", CANARY]
    for keyword in TEXTS:
        setattr(ds, keyword, CANARY)
    ds.StudyDate, ds.PatientBirthDate = "19010203", "19010203"
    inner = Dataset()
    inner.PatientName, inner.CodeMeaning = CANARY, CANARY
    outer = Dataset()
    outer.OtherPatientIDsSequence = DicomSequence([inner])
    outer.TextValue = CANARY
    ds.OtherPatientIDsSequence = DicomSequence([outer])
    block = ds.private_block(0x0019, f"{CANARY} CREATOR", create=True)
    block.add_new(0x10, "LO", CANARY)
    block.add_new(0x11, "UN", CANARY.encode())
    ds.PixelData = np.full((8, 8), number, np.int16).tobytes()
    return ds


def assert_clean(content: bytes, where: str) -> None:
    lowered = content.lower()
    for form in (CANARY.lower().encode(), CANARY.lower().encode("utf-16-le"), b"19010203"):
        assert form not in lowered, where


def outputs(folder: Path) -> list[tuple[str, bytes]]:
    contents = []
    for path in sorted(folder.rglob("*")):
        contents.append((path.name, path.name.encode()))
        if path.suffix == ".parquet":
            contents.append((path.name, pd.read_parquet(path).to_csv().encode()))
        if path.suffix == ".gz":
            contents.append((path.name, gzip.decompress(path.read_bytes())))
        if path.is_file():
            contents.append((path.name, path.read_bytes()))
    return contents
