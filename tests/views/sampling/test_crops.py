"""Views are rigid in millimeters, lie on the tissue, share their anchor and overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.views import Policy, ViewParams, draw_views, load_policy, read_geometry
from medcl.views.affines import voxel_affines
from medcl.views.sampling.crop_geometry import rotation_matrices
from tests.views.phantoms import MemoryStore, grid_affine, image_store


def many(
    store: MemoryStore, policy: Policy, size: int = 32, dims: int = 2, epochs: int = 40
) -> list[ViewParams]:
    geometry = read_geometry(store, range(len(store.rows)), dims)
    return [draw_views(policy, geometry, size, 0, epoch) for epoch in range(epochs)]


@pytest.mark.parametrize("dims", [2, 3])
def test_rigid_in_millimeters_on_anisotropic_grids(volumes: MemoryStore, policy: Policy, dims: int) -> None:
    for params in many(volumes, policy, dims=dims, epochs=10):
        for scan, row in enumerate(params.rows):
            affine = volumes.affine(row)
            world = (affine @ voxel_affines(params, scan))[:, :3, :dims]
            stretch = np.linalg.svd(world, compute_uv=False)
            pixel = params.edge[scan][:, None] / params.size
            np.testing.assert_allclose(stretch, np.repeat(pixel, dims, 1), rtol=1e-9)


@pytest.mark.parametrize("dims", [2, 3])
def test_nothing_is_mirrored(volumes: MemoryStore, policy: Policy, dims: int) -> None:
    for params in many(volumes, policy, dims=dims, epochs=10):
        for scan, row in enumerate(params.rows):
            linear = (volumes.affine(row) @ voxel_affines(params, scan))[:, :3, :3]
            if dims == 3:
                assert (np.linalg.det(linear) > 0).all()
                continue
            # Radiological display: columns from right to left, and downwards towards back or feet.
            columns = linear[..., 1]
            rows = linear[..., 0]
            across = 0 if params.slice_axis[scan] != 0 else 1
            down = 1 if params.slice_axis[scan] == 2 else 2
            assert (columns[:, across] < 0).all()
            assert (rows[:, down] < 0).all()


def test_images_keep_rows_and_columns(images: MemoryStore, policy: Policy) -> None:
    for params in many(images, policy):
        diagonal = params.matrix[..., range(2), range(2)]
        assert (diagonal > 0).all()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("variant", [None, "local"])
def test_pairs_share_the_ball_round_their_anchor(
    volumes: MemoryStore, variant: str | None, dims: int
) -> None:
    policy = load_policy("ct", variant)
    geometry = read_geometry(volumes, range(3), dims)
    for params in many(volumes, policy, dims=dims):
        turn = rotation_matrices(params.rotation)
        offset = params.anchor[:, None] - params.center
        inside = np.abs(np.einsum("bvji,bvj->bvi", turn, offset)).max(-1)
        radius = policy.crop.anchor * geometry.fov[:, None]
        held = params.edge / 2 - inside
        assert (held >= np.minimum(radius, 0.49 * params.edge) - 1e-6).all()


@pytest.mark.parametrize("dims", [2, 3])
def test_overlap_is_what_the_policy_demands(volumes: MemoryStore, policy: Policy, dims: int) -> None:
    least = policy.crop.overlap if dims == 2 else policy.crop.overlap_3d
    for params in many(volumes, policy, dims=dims, epochs=8 if dims == 3 else 30):
        for scan in range(len(params.rows)):
            assert exact_overlap(params, scan) >= least


def exact_overlap(params: ViewParams, scan: int) -> float:
    """Measured on a grid over both crops that is far finer than the one that was used."""
    dims = params.dims
    points = 40 if dims == 3 else 200
    turn = rotation_matrices(params.rotation[scan])
    reach = params.edge[scan].max()
    center = params.center[scan].mean(axis=0)
    line = (np.arange(points) + 0.5) / points * 2 - 1
    grid = np.stack(np.meshgrid(*[line] * dims, indexing="ij"), -1).reshape(-1, dims) * reach + center
    inside = [
        (np.abs((grid - params.center[scan, v]) @ turn[v]) <= params.edge[scan, v] / 2).all(-1)
        for v in (0, 1)
    ]
    return float((inside[0] & inside[1]).sum() / (inside[0] | inside[1]).sum())


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(20, 90),
    width=st.integers(20, 90),
    spacing=st.tuples(st.floats(0.2, 3), st.floats(0.2, 3)),
    rotation=st.floats(0, 45),
    least=st.floats(0.2, 0.9),
    seed=st.integers(0, 2**63),
)
def test_padding_stays_below_one_per_cent(
    height: int, width: int, spacing: tuple[float, float], rotation: float, least: float, seed: int
) -> None:
    store = MemoryStore().add(np.full((height, width), 100, np.uint8), spacing=spacing)
    base = load_policy("cxr")
    policy = base.model_copy(
        update={
            "crop": base.crop.model_copy(update={"area": (least, 1.0), "overlap": 0.1}),
            "motion": base.motion.model_copy(update={"rotation_deg": rotation, "scale": (0.8, 1.3)}),
        }
    )
    params = draw_views(policy, read_geometry(store, [0]), 200, seed)
    for view in range(2):
        assert padded(params, 0, view) <= 0.01


def padded(params: ViewParams, scan: int, view: int) -> float:
    dims = params.dims
    line = np.arange(params.size)
    grid = np.stack(np.meshgrid(*[line] * dims, indexing="ij"), -1)
    at = grid @ params.matrix[scan, view, :, :dims].T + params.matrix[scan, view, :, dims]
    return float(((at < -0.5) | (at > params.count[scan] - 0.5)).any(-1).mean())


def test_padding_of_volumes(volumes: MemoryStore, policy: Policy) -> None:
    for params in many(volumes, policy, size=24, dims=3, epochs=5):
        assert max(padded(params, scan, view) for scan in range(3) for view in (0, 1)) <= 0.01


def test_views_of_a_volume_lie_on_slices_near_the_anchor(volumes: MemoryStore) -> None:
    policy = load_policy("ct")
    geometry = read_geometry(volumes, range(3))
    distances = [np.ptp(p.slices, axis=1) * geometry.slice_mm for p in many(volumes, policy)]
    assert np.max(distances) <= policy.d_min_mm
    fine = MemoryStore()
    affine = grid_affine((1.0, 1.0, 1.0), (40, 40, 40))
    fine.add(np.random.default_rng(0).normal(100, 5, (40, 40, 40)).astype(np.float32), affine)
    distances = [np.ptp(p.slices, axis=1) for p in many(fine, policy)]
    assert 0 < np.max(distances) <= policy.d_min_mm


def test_unknown_spacing_turns_millimeter_limits_off(policy: Policy) -> None:
    unknown, known = image_store(), image_store(spacing=0.5)
    assert not any((p.blur_px > 0).any() for p in many(unknown, policy))
    assert any((p.blur_px > 0).any() for p in many(known, policy))


def test_whole_shows_all_tissue_and_changes_nothing() -> None:
    store = MemoryStore().add(np.arange(60 * 60, dtype=np.float32).reshape(60, 60))
    params = draw_views(load_policy("mr"), read_geometry(store, [0]), 60, 5, draw="whole", count=1)
    np.testing.assert_allclose(params.matrix[0, 0], [[1, 0, 0], [0, 1, 0]], atol=1e-9)
    assert params.noise.max() == 0
    assert params.gamma.item() == 1
