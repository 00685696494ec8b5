"""A CT series and a NIfTI of four slices of 16 x 16 voxels, for tests without the development data."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SPACING_MM = (0.8, 0.8, 2.5)


def tiny_values() -> np.ndarray:
    """Return (16, 16, 4) values in HU, all different, that no flip or swap of axes leaves alone."""
    return np.arange(16 * 16 * 4, dtype=np.int16).reshape(16, 16, 4) - 300


def write_dicom_series(folder: Path) -> Path:
    """Write `tiny_values`, in RAS+ axes, as a CT series into a new folder and return it."""
    folder.mkdir(parents=True)
    study, series, space = (
        generate_uid(entropy_srcs=["tiny", name]) for name in ("study", "series", "space")
    )
    for number in range(4):
        dataset = pydicom.Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=["tiny", str(number)])
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.FrameOfReferenceUID, dataset.PatientID, dataset.Modality = space, "tiny", "CT"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.InstanceNumber = number + 1
        dataset.Rows = dataset.Columns = 16
        dataset.PixelSpacing = list(SPACING_MM[:2])
        dataset.SliceThickness = SPACING_MM[2]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.ImagePositionPatient = [-12.0, -12.0, number * SPACING_MM[2]]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation, dataset.RescaleSlope, dataset.RescaleIntercept = 0, 1, -1024
        # DICOM's axes run to left and posterior, against the first two of RAS+.
        pixels = (tiny_values()[::-1, ::-1, number].T + 1024).astype(np.uint16)
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def write_nifti(path: Path) -> Path:
    """Write `tiny_values`, in RAS+ axes, as a gzipped NIfTI and return its path."""
    image = nib.Nifti1Image(tiny_values(), np.diag([*SPACING_MM, 1.0]))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path
