"""Which files make one scan, and what is said of it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from medcl.archive.dicom.header.model import DicomHeader, plain_frame
from medcl.archive.dicom.series.stacks import Stack, group
from tests.archive.dicom.series.slices import header


def series(count: int = 6, start: int = 0, **changes: Any) -> list[tuple[int, DicomHeader]]:
    return [(start + n, header(start + n, (0.0, 0.0, 2.0 * n), **changes)) for n in range(count)]


def only(files: list[tuple[int, DicomHeader]]) -> Stack:
    (stack,), verdicts = group(files)
    assert verdicts == {}
    return stack


def test_slices_of_a_series_are_one_volume_in_their_order() -> None:
    files = series()
    random.Random(0).shuffle(files)
    stack = only(files)
    assert (stack.kind, stack.modality, stack.unit, stack.flags) == ("volume", "CT", "HU", ())
    assert stack.files == (0, 1, 2, 3, 4, 5)
    assert stack.shape == (6, 8, 6)
    assert stack.spacing_mm == pytest.approx((0.7, 0.5, 2))
    assert stack.affine is not None
    assert (stack.patient_id, stack.study_uid, stack.series_uid) == ("patient", "study", "series")


def test_series_of_two_patients_and_two_uids_are_apart() -> None:
    files = series() + series(start=10, patient_id="other") + series(start=20, series_uid="second")
    stacks, _ = group(files)
    assert [(stack.patient_id, stack.series_uid) for stack in stacks] == [
        ("other", "series"), ("patient", "second"), ("patient", "series"),
    ]  # fmt: skip


def test_the_key_of_a_stack_is_made_of_content_alone() -> None:
    renumbered = [(99 - number, head) for number, head in series()]
    assert only(renumbered).stack_key == only(series()).stack_key
    assert only(renumbered).files == (99, 98, 97, 96, 95, 94)


@pytest.mark.parametrize(
    ("count", "changes", "flags"),
    [
        (3, {}, {"SCOUT"}),
        (1, {"thickness": 3.0}, {"SCOUT", "SINGLE_SLICE"}),
        (6, {"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, {"SCOUT"}),
        (6, {"slope": None}, {"UNCALIBRATED"}),
        (6, {"modality": "PT"}, {"SUV_UNKNOWN"}),
    ],
)
def test_what_is_odd_about_a_volume_is_flagged(count: int, changes: dict[str, Any], flags: set[str]) -> None:
    assert set(only(series(count, **changes)).flags) == flags


def test_a_single_slice_without_thickness_is_an_image() -> None:
    stack = only(series(1))
    assert (stack.kind, stack.affine, stack.shape) == ("image", None, (8, 6))
    assert {"SINGLE_SLICE", "NO_GEOM"} <= set(stack.flags)


@pytest.mark.parametrize("changes", [{"modality": "DX"}, {"photometric": "RGB"}, {"orientation": None}])
def test_projections_colors_and_slices_without_place_are_images(changes: dict[str, Any]) -> None:
    stacks, _ = group(series(4, **changes))
    assert [stack.kind for stack in stacks] == ["image"] * 4
    color = (3,) if "photometric" in changes else ()
    assert {stack.shape for stack in stacks} == {(8, 6, *color)}


def test_frames_without_place_are_a_cine() -> None:
    stack = only([(0, header(1, modality="US", n_frames=5))])
    assert (stack.kind, stack.shape, stack.frames) == ("cine", (5, 8, 6), (0, 1, 2, 3, 4))


def test_copies_and_slices_that_are_no_grid_have_their_reason() -> None:
    files = series()
    copy = (20, files[2][1])
    _, verdicts = group([*files, copy])
    assert set(verdicts.values()) == {("dropped", "DUPLICATE_FILE")}
    shifted = [(n, replace(head, position=(0.7 * (n % 2), 0.0, 2.0 * n))) for n, head in files]
    stacks, verdicts = group(shifted)
    assert stacks == []
    assert verdicts == dict.fromkeys(range(6), ("quarantined", "BAD_HEADER"))


def test_an_absurd_volume_is_refused() -> None:
    files = series(6, rows=60_000, columns=60_000)
    stacks, verdicts = group(files)
    assert (stacks, set(verdicts.values())) == ([], {("quarantined", "TOO_LARGE")})


def test_a_multi_frame_file_is_a_series_of_its_own_unless_it_is_part_of_one() -> None:
    def enhanced(number: int, start: float, **changes: Any) -> tuple[int, DicomHeader]:
        head = header(number, n_frames=4, **changes)
        frames = tuple(replace(plain_frame(head.shared, (0.0, 0.0, start + n)), index=n) for n in range(4))
        return number, replace(head, functional=frames)

    alone, _ = group([enhanced(1, 0), enhanced(2, 4)])
    assert [stack.shape for stack in alone] == [(6, 8, 4)] * 2
    (whole,), _ = group([enhanced(1, 0, concatenation="c"), enhanced(2, 4, concatenation="c")])
    assert whole.shape == (6, 8, 8)
    assert whole.frames == (0, 1, 2, 3) * 2
