"""HU are believed where air and water have them, and no value changes."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.archive import Scan, as_modality
from medcl.archive.hounsfield import is_hounsfield


def body(noise: float = 15, air: float = -1000) -> np.ndarray:
    """Return a chest in HU: air round fat, muscle, lungs and some bone."""
    rng = np.random.default_rng(0)
    x, y, _ = np.meshgrid(*[np.linspace(-1, 1, 48)] * 3, indexing="ij")
    radius = np.hypot(x, y)
    array = np.where(radius < 0.8, -100.0, air)
    array[radius < 0.7] = 50
    array[np.hypot(np.abs(x) - 0.35, y) < 0.25] = -820
    array[np.hypot(x, y + 0.55) < 0.1] = 900
    return np.asarray(np.round(array + rng.normal(0, noise, array.shape)), np.float32)


INSIDE = (slice(20, 28), slice(2, 44), slice(None))


@pytest.mark.parametrize(
    "array",
    [
        body(),
        body(noise=60),
        np.clip(body(), -1024, 3071),
        np.where(np.hypot(*np.meshgrid(*[np.linspace(-1, 1, 48)] * 2))[..., None] > 1, -2048, body()),
        np.pad(body(), 30, constant_values=-3024),
        body().astype(np.int16),
    ],
)
def test_scans_in_hu(array: np.ndarray) -> None:
    assert is_hounsfield(array)


WRONG = {
    "offset missing": body() + 1024,
    "offset applied twice": body() - 1024,
    "offset applied twice to clipped values": np.clip(body(), -1024, None) - 1024,
    "8 bits": np.clip((body() + 1000) / 10, 0, 255),
    "between 0 and 1": (body() + 1000) / 2000,
    "between -1 and 1": body() / 1000,
    "standardized": (body() - body().mean()) / body().std(),
    "half the scale": body() / 2,
    "twice the scale": body() * 2,
    "windowed": np.clip(body(), -160, 240),
    "constant": np.zeros((8, 8, 8)),
    "air alone": np.full((8, 8, 8), -1000),
    "not a number": np.full((8, 8, 8), np.nan),
}


@pytest.mark.parametrize("name", WRONG)
def test_scans_of_another_scale(name: str) -> None:
    assert not is_hounsfield(WRONG[name])


def test_a_small_field_of_view_without_air_is_believed_where_the_file_states_hu() -> None:
    tissue = np.where(np.arange(48)[:, None, None] % 4, 50, -95) + np.zeros((48, 40, 30))
    assert is_hounsfield(tissue, stated=True)
    assert not is_hounsfield(tissue)
    assert not is_hounsfield(tissue + 1024, stated=True)


def test_padding_does_not_count() -> None:
    padding = np.zeros(body().shape, bool)
    padding[:, :30] = True
    array = np.where(padding, -2000.0 + np.arange(48), body())
    assert not is_hounsfield(array)
    assert is_hounsfield(array, padding)


@pytest.mark.parametrize("name", ["offset missing", "8 bits", "windowed"])
def test_a_file_called_ct_without_air_and_water_is_uncalibrated(name: str) -> None:
    scan = Scan(WRONG[name], np.eye(4), (1.0, 1.0, 1.0), "a.u.", "unknown", flags=("XFORM_UNKNOWN",))
    named = as_modality(scan, "CT")
    assert (named.modality, named.unit) == ("CT", "a.u.")
    assert named.flags == ("UNCALIBRATED", "XFORM_UNKNOWN")
    assert named.array is scan.array


def test_a_file_called_ct_is_in_hu_and_one_called_mr_is_not() -> None:
    scan = Scan(body(), np.eye(4), (1.0, 1.0, 1.0), "a.u.", "unknown")
    assert as_modality(scan, "CT").unit == "HU"
    assert as_modality(scan, "MR").unit == "a.u."
    assert as_modality(scan, "MR").flags == ()
