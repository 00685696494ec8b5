"""What stands at one place, woven together or beside each other is told apart by tags and geometry."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from medcl.archive.dicom.header.model import plain_frame
from medcl.archive.dicom.series.slices import Slice, SliceSet
from medcl.archive.dicom.series.split import (
    drop_copies,
    is_calibrated,
    split_geometry,
    split_phases,
    volume_unit,
)
from medcl.archive.flags import held_back
from medcl.testing import phantom
from medcl.testing.phantom import AXIAL, SAGITTAL, SliceGeometry, encoded, enhanced, put, series, tissue
from tests.archive.dicom.samples import Read
from tests.archive.dicom.series.slices import header, slice_at

SMALL = replace(AXIAL, rows=16, columns=20, spacing=(8.0, 7.0), count=12)


def named(datasets: list[Dataset]) -> dict[str, bytes]:
    return {f"{number:04d}": encoded(ds) for number, ds in enumerate(datasets)}


def second(one: list[Dataset], geometry: SliceGeometry = SMALL, **tags: Any) -> list[Dataset]:
    """Return a second stack of the same series, with contrast agent, numbered after the first."""
    two = series(geometry, enhanced, name="b", SeriesInstanceUID=one[0].SeriesInstanceUID, **tags)
    for number, ds in enumerate(two):
        ds.InstanceNumber = len(one) + number + 1
    return two


def zeros(points: np.ndarray) -> np.ndarray:
    return np.zeros(points.shape[:-1])


def at_depth(mm: float, geometry: SliceGeometry = SMALL) -> SliceGeometry:
    return replace(geometry, center=tuple(np.add(geometry.center, geometry.normal * mm)))


def misses(read: Read) -> list[float]:
    """Return by how many HU each scan misses the nearer of the two truths."""
    return [
        min(phantom.deviation(s.array, s.affine, truth, s.valid).largest for truth in (tissue, enhanced))
        for s in read.scans
        if s.affine is not None
    ]


@pytest.mark.parametrize("mm", [0.0, 1.0, SMALL.step / 2], ids=["same places", "offset", "halfway"])
@pytest.mark.parametrize(
    "tags",
    [
        {"SliceThickness": 1.2},
        {"ConvolutionKernel": "B80f"},
        {"FilterType": "SHARP"},
        {"KVP": 140},
        {"ReconstructionDiameter": 300},
        {"ImageType": ["DERIVED", "PRIMARY", "AXIAL"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "SHARP"]},
        {"EchoTime": 40, "EchoNumbers": None},
        {"SeriesNumber": 7},
    ],
    ids=lambda tags: "-".join(map(str, tags)),
)
def test_reconstructions_are_volumes_of_their_own(tags: dict[str, Any], mm: float) -> None:
    one = series(SMALL, KVP=80, ConvolutionKernel="B30f", SeriesNumber=6, EchoTime=10)
    two = second(
        one,
        at_depth(mm),
        **{"KVP": 80, "ConvolutionKernel": "B30f", "SeriesNumber": 6, "EchoTime": 10, **tags},
    )
    read = Read(named([*one, *two]))
    assert [stack.shape[2] for stack in read.stacks] == [12, 12]
    assert "SPLIT" in read.flags
    assert max(misses(read)) < 0.51
    assert not any(held_back(stack.flags, "strict") for stack in read.stacks)


def test_one_reconstruction_lacks_a_slice() -> None:
    one = series(SMALL)
    two = second(one, at_depth(1.3), SliceThickness=1.2)
    read = Read(named([*one, *two[:5], *two[6:]]))
    assert [stack.shape[2] for stack in read.stacks] == [12, 12]
    assert sorted("GAP" in stack.flags for stack in read.stacks) == [False, True]


@pytest.mark.parametrize("odd", [None, 5.0])
def test_a_thickness_that_is_wrong_in_one_slice_splits_nothing(odd: float | None) -> None:
    slices = series(SMALL)
    put(slices[4], SliceThickness=odd)
    read = Read(named(slices))
    assert [stack.shape[2] for stack in read.stacks] == [12]
    assert not read.flags


def test_thick_slices_that_follow_thin_ones_are_one_scan() -> None:
    """A head is scanned in thin slices below and thick ones above."""
    slices = series(replace(SMALL, count=18), offsets=[*np.arange(9) * 2.0, *(16 + 4.0 * np.arange(1, 10))])
    for ds in slices[9:]:
        ds.SliceThickness = 4.0
    (stack,) = Read(named(slices)).stacks
    assert "VARSPACING" in stack.flags


@pytest.mark.parametrize("kind", ["LOCALIZER", "PROJECTION IMAGE"])
@pytest.mark.parametrize("mm", [1.1, -1.7], ids=["between", "before"])
def test_a_stray_image_of_another_type_is_no_slice(kind: str, mm: float) -> None:
    slices = series(SMALL, Modality="MR")
    (stray,) = series(
        replace(SMALL, count=1), enhanced, name="b", SeriesInstanceUID=slices[0].SeriesInstanceUID
    )
    place = np.array(slices[5 if mm > 0 else 0].ImagePositionPatient, float)
    put(
        stray,
        Modality="MR",
        ImageType=["DERIVED", "SECONDARY", kind],
        InstanceNumber=99,
        ImagePositionPatient=[f"{value:.6f}" for value in place + SMALL.normal * mm],
    )
    read = Read(named([*slices, stray]))
    assert sorted(stack.shape[2] for stack in read.stacks) == [1, 12]
    whole = next(scan for scan in read.scans if scan.array.shape[2] == 12)
    assert whole.affine is not None
    assert phantom.deviation(whole.array + 0, whole.affine, tissue).correlation > 0.9999


@pytest.mark.parametrize("tags", [{"ConvolutionKernel": "B70f"}, {"SeriesNumber": 7}], ids=str)
def test_stacks_of_one_uid_that_follow_each_other_are_two_series(tags: dict[str, Any]) -> None:
    one = series(SMALL, ConvolutionKernel="B30f", SeriesNumber=6)
    base = {"ConvolutionKernel": "B30f", "SeriesNumber": 6}
    read = Read(named([*one, *second(one, at_depth(12 * SMALL.step), **{**base, **tags})]))
    assert [stack.shape[2] for stack in read.stacks] == [12, 12]
    assert max(misses(read)) < 0.51


def test_slabs_that_touch_but_are_shifted_in_plane_are_two_scans() -> None:
    one = series(SMALL)
    above = at_depth(12 * SMALL.step)
    x, y, z = above.center
    read = Read(named([*one, *second(one, replace(above, center=(x + 26, y, z)))]))
    assert [stack.shape[2] for stack in read.stacks] == [12, 12]
    assert all("PARALLEL_STACKS" in stack.flags for stack in read.stacks)
    assert max(misses(read)) < 0.51


@pytest.mark.parametrize("degrees", [1.0, 5.0, 15.0])
def test_a_tilted_stack_is_one(degrees: float) -> None:
    (stack,) = Read(named(series(replace(SMALL, tilt=degrees, count=24)))).stacks
    assert stack.shape[2] == 24
    assert "TILT" in stack.flags


def test_slabs_apart_are_two_scans_unless_slices_are_missing_between() -> None:
    one = series(SMALL)
    read = Read(named([*one, *second(one, at_depth(90.0))]))
    assert [stack.shape[2] for stack in read.stacks] == [12, 12]
    assert all("PARALLEL_STACKS" in stack.flags for stack in read.stacks)
    assert max(misses(read)) < 0.51
    lost = series(replace(SMALL, count=30))
    (stack,) = Read(named([*lost[:10], *lost[20:]])).stacks
    assert "GAP_LARGE" in stack.flags


@pytest.mark.parametrize("geometry", [AXIAL, SAGITTAL], ids=["beside in plane", "along the normal"])
@pytest.mark.parametrize("mm", [0.0, 1.3])
def test_two_knees_are_two_scans(geometry: SliceGeometry, mm: float) -> None:
    left = replace(geometry, rows=16, columns=20, spacing=(4.0, 4.0), count=8)
    x, y, z = at_depth(mm, left).center
    one = series(left)
    read = Read(named([*one, *second(one, replace(left, center=(x + 150, y, z)))]))
    assert [stack.shape for stack in read.stacks] == [read.stacks[0].shape] * 2
    assert all("PARALLEL_STACKS" in stack.flags for stack in read.stacks)
    assert max(misses(read)) < 0.51


def test_empty_slices_of_two_knees_are_no_copies() -> None:
    left = replace(AXIAL, rows=16, columns=20, spacing=(4.0, 4.0), count=8)
    one = series(left, zeros)
    right = replace(left, center=(154.0, -7.0, 3.0))
    two = series(right, zeros, name="b", SeriesInstanceUID=one[0].SeriesInstanceUID)
    read = Read(named([*one, *two]))
    assert not read.reasons
    assert [len(stack.files) for stack in read.stacks] == [8, 8]


def cine(places: int, phases: int, **per_phase: list[Any]) -> list[Dataset]:
    """Return the phases of parallel slices, brighter by 10 HU from phase to phase, shuffled."""
    slices = []
    for phase in range(phases):
        tags = {name: values[phase] for name, values in per_phase.items()}
        one = series(
            replace(SMALL, count=max(places, 1)), lambda p, shift=10.0 * phase: tissue(p) + shift,
            name=f"p{phase}", SeriesInstanceUID="1.2.3", **tags)  # fmt: skip
        slices += one
    random.Random(3).shuffle(slices)
    return slices


TIMES: dict[str, list[Any]] = {
    "TriggerTime": [30.0 * phase for phase in range(12)],
    "TemporalPositionIdentifier": list(range(1, 13)),
    "AcquisitionTime": [f"1012{phase:02d}.5" for phase in range(12)],
    "NominalPercentageOfCardiacPhase": [8.0 * phase for phase in range(12)],
    "AcquisitionNumber": list(range(1, 13)),
}


@pytest.mark.parametrize("tag", TIMES)
@pytest.mark.parametrize("places", [1, 2])
def test_moments_of_a_place_are_a_cine_in_the_order_of_time(tag: str, places: int) -> None:
    read = Read(named(cine(places, 12, **{tag: TIMES[tag]})))
    assert [stack.kind for stack in read.stacks] == ["cine"] * places
    for scan in read.scans:
        assert scan.array.shape == (12, 16, 20)
        assert scan.unit == "HU"
        assert scan.spacing_mm == (8.0, 7.0)
        np.testing.assert_allclose(np.diff(scan.array.mean(axis=(1, 2))), 10.0, atol=0.5)


def test_time_goes_on_past_midnight() -> None:
    times = [f"2359{52 + moment}" if moment < 8 else f"00000{moment - 8}" for moment in range(12)]
    (scan,) = Read(named(cine(1, 12, AcquisitionTime=times))).scans
    np.testing.assert_allclose(np.diff(scan.array.mean(axis=(1, 2))), 10.0, atol=0.5)


def test_phases_of_many_places_are_volumes() -> None:
    read = Read(named(cine(8, 5, TriggerTime=TIMES["TriggerTime"])))
    assert [stack.shape[2] for stack in read.stacks] == [8] * 5


def test_echoes_of_one_place_are_no_cine() -> None:
    read = Read(named(cine(1, 5, EchoTime=[10.0 * n for n in range(1, 6)])))
    assert {stack.kind for stack in read.stacks} == {"volume"}


def volumes_by_number(numbers: list[list[int]]) -> Read:
    """Read two volumes at the same places that nothing but InstanceNumber tells apart."""
    one = series(SMALL)
    two = second(one)
    for slices, own in zip((one, two), numbers, strict=True):
        for ds, number in zip(slices, own, strict=True):
            ds.InstanceNumber = number
    return Read(named([*one, *two]))


def test_numbers_that_run_through_all_places_twice_tell_volumes_apart() -> None:
    read = volumes_by_number([list(range(1, 13)), list(range(13, 25))])
    assert [stack.shape[2] for stack in read.stacks] == [12, 12]
    assert {"SPLIT", "SPLIT_BY_NUMBER"} <= read.flags
    assert max(misses(read)) < 0.51


@pytest.mark.parametrize("jumble", ["each place in turn", "shuffled"])
def test_numbers_that_do_not_are_refused(jumble: str) -> None:
    numbers = list(range(1, 25))
    if jumble == "shuffled":
        random.Random(2).shuffle(numbers)
    (stack,) = volumes_by_number([numbers[::2], numbers[1::2]]).stacks
    assert "DUP_CONFLICT" in stack.flags
    assert held_back(stack.flags, "default") == "DUP_CONFLICT"


def mixture(kind: str) -> list[Dataset]:
    one = series(SMALL)
    if kind == "copies":
        copy = series(SMALL, SeriesInstanceUID="1.2.9")[2:5]
        return [*one, *copy, *series(SMALL)[:2]]
    if kind == "cine":
        return cine(2, 6, TriggerTime=TIMES["TriggerTime"])
    if kind == "conflict":
        return [*one, *second(one)[3:5]]
    more = {
        "thickness": second(one, at_depth(1.0), SliceThickness=1.2),
        "slabs": second(one, at_depth(90.0)),
        "numbers": second(one),
        "broken": [
            put(ds, SeriesInstanceUID=f"1.2.77.{n}", SeriesNumber=4) for n, ds in enumerate(second(one))
        ],
    }
    return [*one, *more[kind]]


KINDS = ["copies", "cine", "conflict", "thickness", "slabs", "numbers", "broken"]


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("kind", KINDS)
def test_names_and_order_of_files_change_nothing(kind: str, seed: int) -> None:
    contents = [encoded(ds) for ds in mixture(kind)]
    first = Read({f"{number:04d}": content for number, content in enumerate(contents)})
    rng = random.Random(seed)
    rng.shuffle(contents)
    second_names = rng.sample(range(10**6), len(contents))
    shuffled = Read({f"x{name}": content for name, content in zip(second_names, contents, strict=True)})
    assert [(s.stack_key, s.series_uid, s.flags) for s in first.stacks] == [
        (s.stack_key, s.series_uid, s.flags) for s in shuffled.stacks
    ]
    for one, two in zip(first.scans, shuffled.scans, strict=True):
        np.testing.assert_array_equal(one.array, two.array)


def axial(number: int, z: float = 0.0, rescale_type: str = "", **changes: Any) -> Slice:
    head = header(number, (0.0, 0.0, z), **changes)
    return Slice(number, head, replace(plain_frame(head.shared, head.position), rescale_type=rescale_type))


def heights(part: SliceSet) -> list[float]:
    return [image.frame.position[2] for image in part.slices if image.frame.position is not None]


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        ({"rows": 9}, "IRREGULAR_MATRIX"),
        ({"pixel_spacing": (0.5, 0.8)}, "IRREGULAR_MATRIX"),
        ({"slope": None}, "IRREGULAR_MATRIX"),
        ({"orientation": (1.0, 0, 0, 0, 0, -1.0)}, "MIXED_ORIENT"),
    ],
)
def test_slices_of_two_geometries_are_two_stacks(change: dict[str, Any], flag: str) -> None:
    parts = split_geometry([axial(1), axial(2, 1.0), axial(3, 2.0, **change)])
    assert sorted(len(part.slices) for part in parts) == [1, 2]
    assert all(part.flags == {flag} for part in parts)


@pytest.mark.parametrize(("spaces", "sizes"), [(["1", "1", "2"], [1, 2]), (["1", "", ""], [3])])
def test_slices_of_two_frames_of_reference_are_two_stacks_but_none_is_no_other(
    spaces: list[str], sizes: list[int]
) -> None:
    parts = split_geometry(
        [axial(number, float(number), frame_of_reference=space) for number, space in enumerate(spaces)]
    )
    assert sorted(len(part.slices) for part in parts) == sizes


def test_one_geometry_is_one_stack_within_rounding() -> None:
    turned = (1.0, 0.0005, 0.0, -0.0005, 1.0, 0.0)
    (part,) = split_geometry(
        [axial(1), axial(2, 1.0, orientation=turned), axial(3, 2.0, pixel_spacing=(0.5001, 0.7))]
    )
    assert len(part.slices) == 3
    assert part.flags == set()


@pytest.mark.parametrize(
    ("image", "unit"),
    [
        (axial(1), "HU"),
        (axial(1, rescale_type="HU"), "HU"),
        (axial(1, rescale_type="MGML"), "a.u."),
        (axial(1, slope=None), "a.u."),
        (axial(1, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), "a.u."),
        (axial(1, modality="MR"), "a.u."),
        (axial(1, modality="PT", slope=None), "a.u."),
    ],
)
def test_the_unit_is_what_the_header_states(image: Slice, unit: str) -> None:
    assert volume_unit(image) == unit


def test_a_factor_or_a_table_makes_values_measured() -> None:
    pet = axial(1, modality="PT")
    for unit in ("SUV", "Bq/ml", "a.u."):
        assert volume_unit(replace(pet, header=replace(pet.header, activity=(unit, 2.0)))) == unit
    table = axial(1, slope=None, intercept=None)
    assert not is_calibrated(table)
    assert is_calibrated(replace(table, header=replace(table.header, modality_lut=True)))


def test_a_slice_stored_twice_is_dropped_and_flagged() -> None:
    part = SliceSet([slice_at(1, 0.0, probe=5), slice_at(2, 0.0, probe=5), slice_at(3, 1.0, probe=5)])
    copies = drop_copies(part, None)
    assert [image.file for image in copies] == [2]
    assert [image.file for image in part.slices] == [1, 3]
    assert part.flags == {"DUP_DROPPED"}


def test_equal_pixels_with_other_tags_are_no_copies() -> None:
    part = SliceSet([slice_at(1, 0.0, probe=5), slice_at(2, 0.0, probe=5, echo_time=80.0)])
    assert drop_copies(part, None) == []
    assert part.flags == set()


@pytest.mark.parametrize("key", ["acquisition", "temporal", "echo_time", "b_value", "trigger", "kernel"])
def test_phases_at_the_same_places_are_split_by_the_tag_that_tells_them_apart(key: str) -> None:
    slices = [slice_at(2 * n + phase, n, **{key: f"v{phase}"}) for n in range(5) for phase in (0, 1)]
    parts = split_phases(SliceSet(slices))
    assert [heights(part) for part in parts] == [[0, 1, 2, 3, 4]] * 2
    assert [{image.file % 2 for image in part.slices} for part in parts] == [{0}, {1}]
    assert all(part.flags == {"SPLIT"} for part in parts)


def test_phases_without_a_tag_are_split_in_the_order_of_acquisition() -> None:
    slices = [slice_at(5 * phase + n, n) for n in range(5) for phase in (0, 1)]
    first, second = split_phases(SliceSet(slices))
    assert [image.file for image in first.slices] == [0, 1, 2, 3, 4]
    assert [image.file for image in second.slices] == [5, 6, 7, 8, 9]


def test_what_cannot_be_told_apart_is_a_conflict() -> None:
    slices = [slice_at(n, n) for n in range(5)] + [slice_at(9, 2)]
    (part,) = split_phases(SliceSet(slices))
    assert part.flags == {"DUP_CONFLICT"}
    assert len(part.slices) == 6


def test_one_even_volume_stays_one_whatever_its_tags() -> None:
    slices = [slice_at(n, n, acquisition=str(n % 2)) for n in range(8)]
    (part,) = split_phases(SliceSet(slices))
    assert len(part.slices) == 8
    assert part.flags == set()
