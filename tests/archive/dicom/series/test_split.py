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

from medcl.archive.flags import held_back
from medcl.testing import phantom
from medcl.testing.phantom import AXIAL, SAGITTAL, SliceGeometry, encoded, enhanced, put, series, tissue
from tests.archive.dicom.samples import Read

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
