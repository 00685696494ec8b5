"""Each transform of the reference is its formula."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy import ndimage

from medcl.views import ViewParams, draw_views, load_policy, read_geometry
from medcl.views.backends import monai_backend
from medcl.views.sampling.keyed_random import noise_bank
from tests.views.phantoms import MemoryStore

SIZE = 16


@pytest.fixture(scope="module")
def plain() -> ViewParams:
    """Parameters of one view that change nothing."""
    store = MemoryStore().add(np.zeros((SIZE, SIZE), np.uint8), spacing=(1.0, 1.0))
    return draw_views(load_policy("cxr"), read_geometry(store, [0]), SIZE, 0, draw="whole", count=1)


@pytest.fixture
def image() -> MetaTensor:
    return MetaTensor(torch.from_numpy(np.random.default_rng(0).random((1, SIZE, SIZE)).astype(np.float32)))


def changed(params: ViewParams, **values: Any) -> ViewParams:
    return replace(params, **{name: np.array([[value]], float) for name, value in values.items()})


def test_sampling_follows_the_affine_and_pads_beyond_half_a_pixel(
    plain: ViewParams, image: MetaTensor
) -> None:
    matrix = np.array([[[[1.0, 0, 2.0], [0, 1.0, 0.5]]]])
    params = replace(plain, matrix=matrix, padding_value=np.array([9.0]))
    view = monai_backend.Sample(params)(image)[0].numpy()
    source = image[0].numpy()
    np.testing.assert_allclose(view[:14, :15], (source[2:, :-1] + source[2:, 1:]) / 2, atol=1e-5)
    assert (view[14:] == 9).all()
    np.testing.assert_allclose(view[:14, 15], source[2:, 15], atol=1e-5, err_msg="half a pixel beyond")


def test_windows_come_after_gain_and_offset(plain: ViewParams, image: MetaTensor) -> None:
    params = changed(plain, gain=1.1, offset=0.2, low=0.1, width=0.5)
    expected = (image.numpy() * 1.1 + 0.2 - 0.1) / 0.5
    np.testing.assert_allclose(monai_backend.Windowed(params)(image).numpy(), expected, rtol=1e-5)


def test_smoothing_is_gaussian_and_none_is_none(plain: ViewParams, image: MetaTensor) -> None:
    assert monai_backend.Smooth(changed(plain, blur_px=0))(image) is image
    smooth = monai_backend.Smooth(changed(plain, blur_px=1.5))(image)[0].numpy()
    expected = ndimage.gaussian_filter(image[0].numpy(), 1.5, mode="nearest", truncate=4)
    np.testing.assert_allclose(smooth, expected, atol=0.01)


def test_shading_is_a_polynomial_of_the_place(plain: ViewParams, image: MetaTensor) -> None:
    field = np.zeros((1, 1, 4, 4))
    field[0, 0, 0, 0], field[0, 0, 1, 0], field[0, 0, 0, 2] = 1, 0.2, -0.1
    line = np.linspace(-1, 1, SIZE)
    shading = 1 + 0.2 * line[:, None] - 0.1 * line[None] ** 2
    shaded = monai_backend.Shade(replace(plain, field=field))(image)
    np.testing.assert_allclose(shaded[0].numpy(), image[0].numpy() * shading, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        ("gaussian", lambda v, a, b: v + a),
        ("speckle", lambda v, a, b: v * (1 + a)),
        ("poisson", lambda v, a, b: v + a * np.sqrt(v)),
        ("rician", lambda v, a, b: np.hypot(v + a, b)),
    ],
)
def test_noise_is_read_from_the_bank(plain: ViewParams, image: MetaTensor, kind: str, formula: Any) -> None:
    params = replace(
        changed(plain, noise=0.1, noise_sign=-1), noise_start=np.array([[77]]), kind=kind, bank=(3, 1)
    )
    length = SIZE * SIZE
    drawn = -0.1 * noise_bank(3, 1, 2 * length, 0)[77 : 77 + 2 * length].reshape(2, SIZE, SIZE)
    noisy = monai_backend.AddNoise(params)(image)[0].numpy()
    np.testing.assert_allclose(noisy, formula(image[0].numpy(), *drawn), atol=1e-5)
    assert monai_backend.AddNoise(changed(plain, noise=0))(image) is image


def test_tone_turns_about_the_middle_and_the_end_is_normalized(plain: ViewParams, image: MetaTensor) -> None:
    params = changed(plain, gamma=1.3, contrast=0.8, brightness=0.1)
    toned = monai_backend.Tone(params)(image)
    np.testing.assert_allclose(toned.numpy(), (image.numpy() ** 1.3 - 0.5) * 0.8 + 0.6, rtol=1e-5)
    ends = monai_backend.Normalize(plain)(MetaTensor(torch.tensor([[-1.0, 0.0, 0.5, 1.0, 2.0]])))
    assert ends.flatten().tolist() == [-2, -2, 0, 2, 2]
