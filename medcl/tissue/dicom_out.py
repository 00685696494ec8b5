"""A map of a DICOM scan as a DICOM segmentation (PS3.3 A.51), drawn on the scan's own slices.

It names the patient, as its scan does: a viewer could not show the two together otherwise. It belongs where
the archive lies, not where results are passed on.
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
from medcl.archive import Catalog
from medcl.archive.geometry import LPS_TO_RAS
from medcl.archive.storage.open_file import open_part
from medcl.errors import UsageError
from medcl.files import atomic


def check_dicom_out() -> None:
    """Raise UsageError where highdicom is missing."""
    if importlib.util.find_spec("highdicom") is None:
        raise UsageError("writing DICOM segmentations needs highdicom: pip install 'medcl[dicom-out]'")


def write_segmentation(
    catalog: Catalog, scan: str, called: np.ndarray, affine: np.ndarray, path: Path
) -> None:
    """Write what is called abnormal in a scan as a binary segmentation.

    Args:
        catalog: that the scan is in.
        scan: its pseudonym.
        called: (I, J, K) boolean, on the grid of `affine` (RAS+).
        affine: (4, 4).
        path: `.dcm` file, readable by its owner alone.

    Raises:
        UsageError: the scan is no series of single DICOM images on that grid, or nothing is called.
    """
    import highdicom

    if not called.any():
        raise UsageError(f"scan {scan}: nothing is called abnormal, so there is nothing to draw")
    slices = _slices(catalog, scan)
    try:
        grid = highdicom.get_volume_from_series(slices)
        drawn = highdicom.Volume(
            called.astype(np.uint8),
            LPS_TO_RAS @ affine,
            "PATIENT",
            frame_of_reference_uid=grid.frame_of_reference_uid,
        ).match_geometry(grid)
    except (ValueError, RuntimeError, AttributeError):  # their texts may quote the file
        raise UsageError(f"scan {scan}: its map does not lie on evenly spaced DICOM slices") from None
    segmentation = highdicom.seg.Segmentation(
        source_images=slices, pixel_array=drawn, segmentation_type="BINARY", **_described(highdicom)
    )
    with atomic(path) as temporary:
        temporary.touch(mode=0o600)
        segmentation.save_as(temporary)


def _slices(catalog: Catalog, scan: str) -> list[Dataset]:
    if catalog.row(scan)["source"] != "dicom":
        raise UsageError(f"scan {scan} does not come from DICOM")
    found = []
    for place in catalog.places[scan]:
        with open_part(place["container"], place["member"]) as stream:
            found.append(dcmread(stream, stop_before_pixels=False))
    if any(int(one.get("NumberOfFrames", 1) or 1) > 1 for one in found):
        raise UsageError(f"scan {scan}: segmentations are drawn on series of single images only")
    return found


def _described(highdicom: Any) -> dict[str, Any]:
    """Return what a segmentation says of itself."""
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
