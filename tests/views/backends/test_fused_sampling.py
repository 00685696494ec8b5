"""Compiled sampling against SciPy's interpolation, for every stored type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

pytest.importorskip("numba")

from medcl.views.backends.fused_sampling import pairs_of, sample_2d, sample_3d

TYPES = ("uint8", "int16", "uint16", "float32")
PADDING = -7.0


def sampled(source: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    dims = source.ndim
    flat = source.ravel()
    flat.flags.writeable = False
    bounds = np.array([[-0.5, n - 0.5] for n in source.shape])
    out = np.empty((size,) * dims, np.float32)
    sample = sample_2d if dims == 2 else sample_3d
    sample(flat, pairs_of(flat), source.shape, matrix, bounds, PADDING, out)
    return out


def expected(source: np.ndarray, matrix: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return SciPy's values, and how far each place lies off the source (negative: on it)."""
    dims = source.ndim
    pixels = np.indices((size,) * dims).reshape(dims, -1)
    at = matrix[:, :dims] @ pixels + matrix[:, dims:]
    values = ndimage.map_coordinates(source.astype(float), at, order=1, mode="nearest")
    last = np.array(source.shape)[:, None] - 0.5
    beyond = np.maximum(-0.5 - at, at - last).max(axis=0)
    return values.reshape((size,) * dims), beyond.reshape((size,) * dims)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(TYPES), st.sampled_from([2, 3]), st.integers(0, 2**32 - 1))
def test_samples_are_interpolated_or_padding(kind: str, dims: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    shape = tuple(generator.integers(2, 14, dims))
    source = generator.uniform(0, 250, shape).astype(kind)
    matrix = np.concatenate(
        [generator.normal(0, 0.8, (dims, dims)), generator.uniform(-3, 12, (dims, 1))], axis=1
    )
    values, beyond = expected(source, matrix, 11)
    result = sampled(source, matrix, 11)
    np.testing.assert_allclose(result[beyond < -1e-4], values[beyond < -1e-4], atol=0.02)
    assert (result[beyond > 1e-4] == PADDING).all()


@pytest.mark.parametrize("kind", TYPES)
def test_the_identity_is_the_source_to_the_last_sample(kind: str) -> None:
    source = np.arange(300 * 300).reshape(300, 300).astype(kind)
    matrix = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    np.testing.assert_array_equal(sampled(source, matrix, 300), source.astype(np.float32))


def test_pairs_share_the_memory_of_neighbors() -> None:
    flat = np.array([1, 2, 3], np.uint8)
    pairs = pairs_of(flat)
    assert np.shares_memory(pairs, flat)
    assert not pairs.flags.writeable
    assert [one.tobytes() for one in pairs] == [b"\x01\x02", b"\x02\x03"]
