"""A map of a DICOM scan as a DICOM segmentation (PS3.3 A.51), on the scan's own slices.

It identifies the patient, as its scan does: a viewer could not show the two together otherwise. It belongs
with the archive, not with results that are shared.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

import medcl
from medcl.archive import LPS_TO_RAS, Catalog
from medcl.archive.storage import open_part
from medcl.errors import UsageError
from medcl.files import atomic


def check_dicom_out() -> None:
    """Raise UsageError if highdicom is not installed."""
    if importlib.util.find_spec("highdicom") is None:
        raise UsageError("writing DICOM segmentations needs highdicom: pip install 'medcl[dicom-out]'")


def write_segmentation(
    catalog: Catalog, scan: str, abnormal: np.ndarray, affine: np.ndarray, path: Path
) -> None:
    """Write the abnormal voxels of a scan as a binary segmentation.

    Args:
        catalog: Catalog of the scan.
        scan: Pseudonym of the scan.
        abnormal: (I, J, K) boolean, on the grid of `affine`.
        affine: (4, 4) from voxel to RAS+ millimeters.
        path: `.dcm` file to write, readable by its owner alone.

    Raises:
        UsageError: The scan is not a series of single-frame DICOM images on that grid, or no voxel is
            abnormal.
    """
    import highdicom

    if not abnormal.any():
        raise UsageError(f"scan {scan}: no voxel is abnormal, so there is no segmentation to write")
    slices = _read_slices(catalog, scan)
    try:
        grid = highdicom.get_volume_from_series(slices)
        volume = highdicom.Volume(
            abnormal.astype(np.uint8),
            LPS_TO_RAS @ affine,
            "PATIENT",
            frame_of_reference_uid=grid.frame_of_reference_uid,
        ).match_geometry(grid)
    except (ValueError, RuntimeError, AttributeError):  # their texts may quote the file
        raise UsageError(f"scan {scan}: its map is not on evenly spaced DICOM slices") from None
    segmentation = highdicom.seg.Segmentation(
        source_images=slices, pixel_array=volume, segmentation_type="BINARY", **_attributes(highdicom)
    )
    with atomic(path) as temporary:
        temporary.touch(mode=0o600)
        segmentation.save_as(temporary)


def _read_slices(catalog: Catalog, scan: str) -> list[Dataset]:
    if catalog.row(scan)["source"] != "dicom":
        raise UsageError(f"scan {scan} does not come from DICOM")
    datasets = []
    for place in catalog.files_by_scan[scan]:
        with open_part(place["container"], place["member"]) as stream:
            datasets.append(dcmread(stream, stop_before_pixels=False))
    if any(int(dataset.get("NumberOfFrames", 1) or 1) > 1 for dataset in datasets):
        raise UsageError(f"scan {scan}: segmentations can be written for series of single-frame images only")
    return datasets


def _attributes(highdicom: Any) -> dict[str, Any]:
    """Return the attributes that describe the segmentation and its algorithm."""
    algorithm = highdicom.AlgorithmIdentificationSequence(
        name="medcl tissue", family=codes.DCM.ArtificialIntelligence, version=medcl.__version__
    )
    segment = highdicom.seg.SegmentDescription(
        segment_number=1,
        segment_label="abnormal (research)",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    return {
        "segment_descriptions": [segment],
        "series_instance_uid": generate_uid(),
        "series_number": 900,
        "sop_instance_uid": generate_uid(),
        "instance_number": 1,
        "manufacturer": "medcl",
        "manufacturer_model_name": "medcl tissue",
        "software_versions": medcl.__version__,
        "device_serial_number": "0",
        "content_label": "MEDCL_TISSUE",
    }
