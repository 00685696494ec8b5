"""Every backend gives the reference's views, and these the phantom's values at the view's affine."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from medcl.views import Policy, ViewParams, draw_views, load_policy, read_geometry, shipped
from medcl.views.affines import view_affines
from medcl.views.backends.choose import choose_backend
from tests.views.phantoms import MemoryStore, grid_affine, image_store, phantom_volume, smooth_phantom

FAST = ["torch", *(["fused"] if find_spec("numba") else [])]
NAMES = sorted(path.stem for path in shipped("views").glob("*.yaml"))
WINDOW = 4.0
"""Width of the normalized window, from -2 to 2."""


def loud(policy: Policy) -> Policy:
    """The policy with everything that happens in a share of the views happening in all."""
    return policy.model_copy(
        update={
            "blur": policy.blur.model_copy(update={"probability": 1.0}),
            "noise": policy.noise.model_copy(update={"probability": 1.0}),
        }
    )


def assert_equal(store: MemoryStore, params: ViewParams, backend: str) -> None:
    reference = choose_backend("monai")(store, params)
    other = choose_backend(backend)(store, params)
    assert other.shape == reference.shape
    worst = float((other - reference).abs().max()) / WINDOW
    assert worst <= 1e-3, f"{backend} differs from the reference by {worst:.5f} of the window"


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("spacing", [None, 0.4])
def test_images(backend: str, name: str, spacing: float | None) -> None:
    store = image_store(3, (61, 83), spacing)
    store.add(np.random.default_rng(1).integers(0, 255, (90, 50, 3)).astype(np.uint8), spacing=(1.0, 0.7))
    params = draw_views(loud(load_policy(name)), read_geometry(store, range(4)), 37, 7)
    assert_equal(store, params, backend)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("draw", ["pair", "bag", "whole"])
@pytest.mark.parametrize("name", ["ct", "mr"])
def test_slices(volumes: MemoryStore, backend: str, draw: str, name: str) -> None:
    geometry = read_geometry(volumes, range(3))
    params = draw_views(loud(load_policy(name)), geometry, 41, 7, draw=draw, count=3)
    assert_equal(volumes, params, backend)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("name", ["ct", "mr", "us"])
def test_volumes(volumes: MemoryStore, backend: str, name: str) -> None:
    params = draw_views(loud(load_policy(name)), read_geometry(volumes, range(3), 3), 20, 7)
    assert_equal(volumes, params, backend)


@pytest.mark.parametrize("backend", FAST)
def test_neighboring_slices_as_channels(volumes: MemoryStore, backend: str) -> None:
    params = draw_views(loud(load_policy("mr")), read_geometry(volumes, range(3)), 30, 7, stack=3)
    assert choose_backend(backend)(volumes, params).shape[2] == 3
    assert_equal(volumes, params, backend)


@pytest.mark.parametrize("backend", FAST)
def test_integer_scans_that_are_averaged_first(backend: str) -> None:
    store = MemoryStore()
    for seed, shape in enumerate([(301, 257), (400, 300)]):
        hu = np.random.default_rng(seed).normal(40, 200, shape).round().astype(np.int16)
        store.add(hu, spacing=(0.3, 0.3), unit="HU", modality="CT")
    params = draw_views(loud(load_policy("ct")), read_geometry(store, [0, 1]), 32, 7)
    assert (params.reduce > 1).all()
    assert_equal(store, params, backend)


@pytest.mark.parametrize("backend", FAST)
def test_unpadded_letterbox_shows_the_outside(backend: str) -> None:
    store = MemoryStore().add(np.full((20, 60), 300, np.int16), spacing=(1.0, 1.0), unit="HU")
    params = draw_views(load_policy("ct"), read_geometry(store, [0]), 60, 7, draw="whole", count=1)
    assert_equal(store, params, backend)
    (view,) = choose_backend(backend)(store, params)[0, :, 0].numpy()
    assert (view[:19] == -2).all(), "air is black in the soft tissue window"
    assert (view[21:39] == 2).all()
    assert (view[41:] == -2).all()


@pytest.mark.parametrize("backend", ["monai", *FAST])
@pytest.mark.parametrize("dims", [2, 3])
def test_pixels_are_what_the_affine_says(backend: str, dims: int) -> None:
    store = MemoryStore()
    shape, spacing = (120, 110, 40), (1.0, 1.1, 2.5)
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1.0]])
    affine = grid_affine(spacing, shape)
    affine[:3, :3] = turn @ affine[:3, :3]
    store.add(phantom_volume(shape, affine), affine)
    base = load_policy("mr")
    policy = base.unaugmented().model_copy(update={"crop": base.crop, "motion": base.motion})
    for epoch in range(5):
        params = draw_views(policy, read_geometry(store, [0], dims), 48, 0, epoch)
        views = choose_backend(backend)(store, params)[0, :, 0].numpy()
        affines = view_affines(store, params)[0].numpy()
        pixels = np.stack(np.meshgrid(*[np.arange(48)] * dims, indexing="ij"), axis=-1)
        for view, to_world in zip(views, affines, strict=True):
            world = pixels @ to_world[:3, :dims].T + to_world[:3, 3]
            truth = (smooth_phantom(world) - params.low[0, 0]) / params.width[0, 0]
            error = np.abs(view * 0.25 + 0.5 - truth.clip(0, 1))
            assert np.median(error) <= 0.01
            assert np.percentile(error, 99) <= 0.05


@pytest.mark.parametrize("backend", ["monai", *FAST])
def test_identity_view_is_the_scan(backend: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (28, 28)).astype(np.uint8)
    store = MemoryStore().add(image)
    params = draw_views(load_policy("cxr"), read_geometry(store, [0]), 28, 0, draw="whole", count=1)
    view = choose_backend(backend)(store, params)[0, 0, 0].numpy()
    low, width = params.low[0, 0], params.width[0, 0]
    expected = (((image - low) / width).clip(0, 1) - 0.5) / 0.25
    np.testing.assert_allclose(view, expected, atol=2e-5)


def test_window_is_linear_in_hounsfield_units() -> None:
    inserts = np.array([-1000, -100, 0, 65, 900], np.int16)
    image = np.repeat(np.repeat(inserts[None], 100, 0), 20, 1)
    store = MemoryStore().add(image, spacing=(1.0, 1.0), unit="HU", modality="CT")
    policy = load_policy("ct").model_copy(
        update={"noise": load_policy("ct").noise.model_copy(update={"native": 0})}
    )
    for epoch in range(20):
        params = draw_views(policy, read_geometry(store, [0]), 100, 0, epoch)
        views = choose_backend("torch")(store, params)[0, :, 0].numpy() * 0.25 + 0.5
        for view, low, width in zip(views, params.low[0], params.width[0], strict=True):
            hu = view[(view > 0.01) & (view < 0.99)] * width + low
            nearest = inserts[np.abs(hu[:, None] - inserts).argmin(1)]
            assert hu.size == 0 or np.median(np.abs(hu - nearest)) <= 15, "gain and offset allow 5 HU + 1 %"
