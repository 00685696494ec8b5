"""Nuclear medicine: vectors say which frames make a volume, a rotation or a dynamic phase."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from medcl.archive.scan import Scan
from medcl.testing import phantom
from medcl.testing.phantom import SliceGeometry
from tests.archive.dicom.samples import Folder

SMALL = replace(phantom.AXIAL, rows=20, columns=24, spacing=(7.0, 6.0), step=7.2, count=8)
LEVELS = (1.0, 0.5, 0.3, 0.2, 0.15, 0.12, 0.1, 0.08)


def counts(points: np.ndarray, level: float = 1.0) -> np.ndarray:
    return (phantom.tissue(points) + 1024) * level


def nuclear(kind: str, frames: np.ndarray, **tags: Any) -> Dataset:
    """Return an object of a kind (third value of the image type) without any place."""
    ds = phantom.image(frames.astype(np.uint16), modality="NM")
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.20"
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
    return phantom.put(
        ds, RescaleSlope=None, RescaleIntercept=None, FrameOfReferenceUID="1.2.3", PixelSpacing=[7.0, 6.0],
        SliceThickness=7.2, **tags,
    )  # fmt: skip


def detector(geometry: SliceGeometry, position: np.ndarray) -> Dataset:
    item = Dataset()
    item.ImagePositionPatient = [f"{value:.6f}" for value in position]
    item.ImageOrientationPatient = [f"{value:.9f}" for value in (*geometry.row, *geometry.column)]
    return item


def reconstruction(
    geometry: SliceGeometry, parts: int, sign: int = 1, order: list[int] | None = None, **tags: Any
) -> Dataset:
    """Return volumes of one geometry in one object, frames in `order`, without vectors but that of slices."""
    positions = geometry.positions()[::sign]
    slices = [
        counts(geometry.points(position), LEVELS[part]) for part in range(parts) for position in positions
    ]
    order = order or list(range(len(slices)))
    ds = nuclear(
        "RECON TOMO", np.round(np.stack([slices[number] for number in order])),
        SliceVector=[number % geometry.count + 1 for number in order], NumberOfSlices=geometry.count,
        SpacingBetweenSlices=sign * geometry.step,
        DetectorInformationSequence=Items([detector(geometry, positions[0])]),
    )  # fmt: skip
    return phantom.put(ds, **tags)


def scans(ds: Dataset) -> list[Scan]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nm").write_bytes(phantom.encoded(ds))
        read = Folder(Path(folder))
        assert read.reasons == {}
        return [read.scan(stack) for stack in read.stacks]


def levels_of(volumes: list[Scan]) -> list[int]:
    """Return which part each volume is; each must be the phantom at its level everywhere."""
    parts = []
    for scan in volumes:
        assert scan.affine is not None
        fits = [
            phantom.deviation(scan.array, scan.affine, lambda p, a=level: counts(p, a)).largest < 0.51
            for level in LEVELS
        ]
        assert sum(fits) == 1
        parts.append(fits.index(True))
    return sorted(parts)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_every_window_interval_and_slot_is_a_volume_at_its_place(data: st.DataObject) -> None:
    names = ("EnergyWindow", "RRInterval", "TimeSlot")
    sizes = [data.draw(st.integers(1, 2), name) for name in names]
    axes = data.draw(st.sampled_from([phantom.AXIAL, phantom.SAGITTAL, phantom.OBLIQUE]))
    geometry = replace(SMALL, row=axes.row, column=axes.column)
    combinations = list(itertools.product(*(range(1, size + 1) for size in sizes)))
    total = len(combinations) * geometry.count
    order = data.draw(st.permutations(range(total)))
    vectors = {
        f"{name}Vector": [combinations[number // geometry.count][axis] for number in order]
        for axis, name in enumerate(names)
    }
    sign = data.draw(st.sampled_from([1, -1]))
    kind = data.draw(st.sampled_from(["RECON TOMO", "RECON GATED TOMO"]))
    ds = reconstruction(geometry, len(combinations), sign, list(order), **vectors)
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
    volumes = scans(ds)
    assert levels_of(volumes) == list(range(len(combinations)))
    assert all(("SPLIT" in scan.flags) == (len(combinations) > 1) for scan in volumes)


def test_the_thickness_stands_in_for_a_distance_that_is_not_stated() -> None:
    (scan,) = scans(reconstruction(SMALL, 1, SpacingBetweenSlices=None))
    assert levels_of([scan]) == [0]
    assert "DISTANCE_ASSUMED" in scan.flags


def test_slices_stored_from_the_last_on_are_flagged() -> None:
    (scan,) = scans(reconstruction(SMALL, 1, order=list(range(8))[::-1]))
    assert levels_of([scan]) == [0]
    assert "FIRST_SLICE_ASSUMED" in scan.flags


@pytest.mark.parametrize("missing", [{"SliceVector": None}, {"NumberOfEnergyWindows": 2}])
def test_frames_of_which_no_vector_tells_the_window_are_no_volume(missing: dict[str, Any]) -> None:
    (scan,) = scans(reconstruction(SMALL, 2, **missing))
    assert scan.affine is None
    assert scan.array.shape == (16, 20, 24)
    assert "FRAMES_UNNAMED" in scan.flags


def test_a_volume_without_vectors_is_read_in_stored_order() -> None:
    assert levels_of(scans(reconstruction(SMALL, 1, SliceVector=None))) == [0]


def test_detectors_that_disagree_about_the_place_leave_it_unknown() -> None:
    items = [detector(SMALL, position) for position in SMALL.positions()[:2]]
    ds = reconstruction(SMALL, 1)
    assert levels_of(scans(phantom.put(ds, DetectorInformationSequence=Items([items[0], items[0]])))) == [0]
    (scan,) = scans(phantom.put(ds, DetectorInformationSequence=Items(items)))
    assert scan.affine is None
    assert "NO_GEOM" in scan.flags


def test_a_vector_of_a_wrong_length_contradicts_the_header(tmp_path: Path) -> None:
    path = tmp_path / "nm"
    path.write_bytes(phantom.encoded(reconstruction(SMALL, 2, EnergyWindowVector=[1] * 8 + [2] * 7)))
    assert Folder(tmp_path).reasons == {path: "BAD_HEADER"}


@pytest.mark.parametrize(
    ("kind", "outer", "inner"),
    [
        ("TOMO", ("EnergyWindow", "Detector", "Rotation"), "AngularView"),
        ("GATED TOMO", ("Detector", "RRInterval", "TimeSlot"), "AngularView"),
        ("DYNAMIC", ("EnergyWindow", "Detector", "Phase"), "TimeSlice"),
        ("GATED", ("EnergyWindow", "Detector", "RRInterval"), "TimeSlot"),
    ],
)
def test_projections_are_cines_for_each_detector_and_phase(
    kind: str, outer: tuple[str, ...], inner: str
) -> None:
    combinations = list(itertools.product((1, 2), (1, 2), (1, 2)))
    order = np.random.default_rng(0).permutation(8 * 6)
    frames = np.broadcast_to(order[:, None, None], (48, 5, 6)).astype(np.uint16)
    vectors = {
        f"{name}Vector": [combinations[number // 6][axis] for number in order]
        for axis, name in enumerate(outer)
    }
    vectors[f"{inner}Vector"] = [int(number) % 6 + 1 for number in order]
    cines = scans(nuclear(kind, frames, DetectorInformationSequence=Items([]), **vectors))
    assert sorted(scan.array[:, 0, 0].tolist() for scan in cines) == np.arange(48).reshape(8, 6).tolist()
    assert all(scan.affine is None and "NO_GEOM" in scan.flags for scan in cines)


def test_static_views_are_pictures() -> None:
    frames = np.arange(4 * 30, dtype=np.uint16).reshape(4, 5, 6)
    vectors = {"EnergyWindowVector": [1, 1, 2, 2], "DetectorVector": [1, 2, 1, 2]}
    pictures = scans(nuclear("WHOLE BODY", frames, **vectors))
    assert sorted(scan.array[0, 0] for scan in pictures) == [0, 30, 60, 90]
    assert all(scan.array.shape == (5, 6) and scan.spacing_mm == (7.0, 6.0) for scan in pictures)
