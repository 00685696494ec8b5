"""Slices are displayed as radiologists expect, through the windows of the CT policy."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.views.show.display import (
    cut_slice,
    edge_letters,
    orient_slice,
    slice_plane,
    to_gray,
    window_fraction,
    window_presets,
)


def test_an_axial_cut_shows_right_on_the_left_and_front_on_top() -> None:
    volume = np.zeros((10, 8, 4), np.int16)
    volume[9, 7, 1] = 1000  # the patient's right, front
    plane = slice_plane(np.diag([1.0, 1.0, 5.0, 1.0]))
    image = cut_slice(volume, plane.axis, 1)
    assert plane.letters == ("R", "L", "A", "P")
    assert image.shape == (8, 10)
    assert image[0, 0] == 1000


@pytest.mark.parametrize(
    ("spacing", "letters", "corner"),
    [((1, 5, 1), ("R", "L", "S", "I"), (9, 0, 3)), ((5, 1, 1), ("A", "P", "S", "I"), (0, 7, 3))],
)
def test_other_cuts_are_lettered_too(
    spacing: tuple[int, int, int], letters: tuple[str, ...], corner: tuple[int, int, int]
) -> None:
    volume = np.zeros((10, 8, 4), np.int16)
    volume[corner] = 1000
    plane = slice_plane(np.diag([*spacing, 1.0]))
    assert plane.letters == letters
    assert cut_slice(volume, plane.axis, 0)[0, 0] == 1000


def test_equal_spacing_is_cut_axially() -> None:
    assert slice_plane(np.eye(4)).axis == 2


def test_window_maps_hounsfield_units() -> None:
    hu = np.array([[-160.0, 40.0, 240.0, -1000.0, np.nan]])
    assert to_gray(hu, -160, 240).tolist() == [[0, 128, 255, 0, 0]]


def test_numbers_that_are_none_are_black() -> None:
    assert window_fraction(np.array([np.nan, 0.0, 10.0]), 0, 10).tolist() == [0, 0, 1]


def test_color_is_not_windowed() -> None:
    color = np.array([[[7, 8, 9]]], np.uint8)
    assert to_gray(color, 100, 200) is color


def test_mirrored_rows_and_columns_swap_their_letters() -> None:
    assert edge_letters(2, (1, -1)) == ("L", "R", "A", "P")
    assert edge_letters(0, (-1, 1)) == ("A", "P", "I", "S")


def test_a_slice_in_color_keeps_its_channels_last() -> None:
    volume = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3)
    assert cut_slice(volume, 2, 1).shape == (3, 2, 3)
    assert np.array_equal(cut_slice(volume, 2, 1), orient_slice(volume[:, :, 1]))
    assert cut_slice(volume, 2, 1)[0, 0].tolist() == volume[-1, -1, 1].tolist()


def test_presets_are_those_of_the_policy_and_its_variants() -> None:
    assert window_presets() == {
        "soft tissue": (40, 400),
        "lung": (-600, 1500),
        "bone": (400, 1800),
        "brain": (40, 80),
        "liver": (60, 160),
    }
