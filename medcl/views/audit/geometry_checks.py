"""Invariants of geometry, measured from the pixels of coordinate phantoms: I3 to I10, I13, I15 and I20."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import map_coordinates

from medcl.views.audit.check_results import CheckResult
from medcl.views.audit.phantoms import PhantomGrid
from medcl.views.audit.view_pipeline import Coordinates, ViewPipeline, measure_coordinates, render_views
from medcl.views.masks import view_masks
from medcl.views.sampling.crop_geometry import anchor_voxels

POINTS = 2000


@dataclass(frozen=True)
class MeasuredGeometry:
    """Coordinates of many views of one grid, and the affine that fits each best."""

    pipeline: ViewPipeline
    grid: PhantomGrid
    coordinates: Coordinates

    @classmethod
    def of(cls, pipeline: ViewPipeline, grid: PhantomGrid) -> MeasuredGeometry:
        """Measure 48 pairs in 2-D, 6 in 3-D."""
        return cls(pipeline, grid, measure_coordinates(pipeline, grid, 48 if grid.dims == 2 else 6))

    @cached_property
    def fit(self) -> np.ndarray:
        """Least-squares affine (N, V, D, D + 1) from pixel to source voxel, of what the pixels show."""
        coordinates, dims = self.coordinates, self.grid.dims
        pixels = np.indices(coordinates.measured.shape[2:-1]).reshape(dims, -1).T
        design = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1)
        fits = np.empty((*coordinates.params.shape, dims, dims + 1))
        for scan, view in np.ndindex(coordinates.params.shape):
            inside = coordinates.inside[scan, view].ravel()
            shown = coordinates.measured[scan, view].reshape(-1, dims)
            fits[scan, view] = np.linalg.lstsq(design[inside], shown[inside], rcond=None)[0].T
        return fits

    @property
    def spacing(self) -> np.ndarray:
        """(D,) millimeters along the source axes that views lie in."""
        return np.array(self.grid.spacing[: self.grid.dims])

    @cached_property
    def turned(self) -> np.ndarray:
        """(N, V, D, D) millimeters per pixel, in axes in which a view without rotation is the identity."""
        upright = {"image": [[1, 0], [0, 1]], "slices": [[0, -1], [-1, 0]], "volume": np.eye(3)}
        linear = self.fit[..., :-1] * self.spacing[:, None]
        turned: np.ndarray = np.linalg.inv(np.array(upright[self.grid.name], float)) @ linear
        return turned

    def pixels_of(self, voxels: np.ndarray) -> np.ndarray:
        """Return where points (N, P, D) of the source appear in each view, (N, V, P, D)."""
        offset = voxels[:, None] - self.fit[:, :, None, :, -1]
        pixels: np.ndarray = offset @ np.swapaxes(np.linalg.inv(self.fit[..., :-1]), -1, -2)
        return pixels

    def shown(self, voxels: np.ndarray) -> np.ndarray:
        """Return (N, V, P) whether points of the source lie in each view."""
        at = self.pixels_of(voxels)
        return np.asarray(((at >= -0.5) & (at <= self.pipeline.size - 0.5)).all(axis=-1))

    def in_field(self, shares: np.ndarray) -> np.ndarray:
        """Return points (N, P, D), given as shares of the field of view, in voxels of the source."""
        extent = np.array(self.grid.shape[: self.grid.dims]) * self.spacing
        edge = self.coordinates.geometry.fov[:, None, None]
        voxels: np.ndarray = (extent / 2 + (shares - 0.5) * edge) / self.spacing - 0.5
        return voxels

    def pictures(self, scan: int, view: int = 0) -> tuple[tuple[str, np.ndarray], ...]:
        """Return the view's coordinates along its last axis, the middle plane of a volume, for the page."""
        shown = self.coordinates.measured[scan, view, ..., -1]
        plane = shown if shown.ndim == 2 else shown[len(shown) // 2]
        return ((f"{self.grid.name} {scan}: coordinates shown", plane / max(float(plane.max()), 1e-9)),)


def check_sides(measured: MeasuredGeometry) -> list[CheckResult]:
    """I3 and I4: no axis is mirrored or exchanged, unless policy and parameters say so."""
    motion = measured.pipeline.policy.motion
    reversed_ = np.less(np.linalg.det(measured.turned), 0)[..., None]
    backwards: np.ndarray = np.less_equal(np.diagonal(measured.turned, axis1=-2, axis2=-1), 0)
    free = motion.rotation_deg > 90
    mirrored = reversed_ if free else backwards | (reversed_ & ~backwards.any(axis=-1, keepdims=True))
    declared: np.ndarray = measured.coordinates.params.mirror < 0
    declared = declared.sum(axis=-1, keepdims=True) % 2 == 1 if free else declared
    across = 1 if measured.grid.dims == 2 else 0
    results = []
    for number, axes in (("I3", [across]), ("I4", [a for a in range(measured.grid.dims) if a != across])):
        components = [0] if free else axes
        allowed = _allowed(motion.flips, measured.grid, number)
        expected = declared[..., components] if allowed else np.zeros_like(declared[..., components])
        wrong = (mirrored[..., components] != expected).any(axis=-1)
        limit = "0" if not allowed else f"0 but those declared ({', '.join(motion.flips)})"
        pictures = measured.pictures(int(np.argmax(wrong.any(axis=1)))) if wrong.any() else ()
        figure = f"{int(wrong.sum())} of {wrong.size} views mirrored{' undeclared' if allowed else ''}"
        results.append(CheckResult(number, figure, limit, not wrong.any(), measured.grid.name, pictures))
    return results


def _allowed(flips: tuple[str, ...], grid: PhantomGrid, number: str) -> bool:
    across = {"columns"} if grid.name == "image" else {"left-right"}
    down = {"rows"} if grid.name == "image" else {"anterior-posterior", "superior-inferior"}
    return bool(set(flips) & (across if number == "I3" else down))


def check_rigid(measured: MeasuredGeometry) -> CheckResult:
    """I5: equal stretch along every direction in millimeters, within the policy's scale and angle."""
    policy, dims = measured.pipeline.policy, measured.grid.dims
    left, stretch, right = np.linalg.svd(measured.turned)
    uneven = (stretch.max(-1) / stretch.min(-1) - 1).max()
    share = stretch.mean(-1) * measured.pipeline.size / measured.coordinates.geometry.fov[:, None]
    least = np.sqrt(policy.crop.area[0]) if dims == 2 else policy.crop.edge_3d[0]
    most = (np.sqrt(policy.crop.area[1]) if dims == 2 else policy.crop.edge_3d[1]) * policy.motion.scale[1]
    rotation = left @ right
    trace = np.trace(rotation, axis1=-2, axis2=-1)
    cosine = trace / 2 if dims == 2 else (trace - 1) / 2
    angle = np.degrees(np.arccos(np.clip(np.where(np.linalg.det(rotation) < 0, 1, cosine), -1, 1))).max()
    limit_angle = policy.motion.rotation_deg + (2 * policy.motion.out_of_plane_deg if dims == 3 else 0)
    tight = _fillable(policy.motion.rotation_deg, policy.motion.out_of_plane_deg if dims == 3 else 0)
    passed = uneven <= 2e-3 and share.min() >= min(least, tight) - 2e-3 and share.max() <= most + 2e-3
    worst = int(np.argmax((stretch.max(-1) / stretch.min(-1)).max(axis=1)))
    return CheckResult(
        "I5",
        f"uneven by {uneven:.4f}, edges {share.min():.2f} to {share.max():.2f} of the field, {angle:.1f}°",
        f"uneven <= 0.002, edges {least:.2f} to {most:.2f}, <= {limit_angle:.0f}°",
        bool(passed and angle <= limit_angle + 0.2),
        measured.grid.name,
        measured.pictures(worst),
    )


def _fillable(degrees: float, tilt: float) -> float:
    """Return the edge of a turned crop that a scan can still fill, be it below the policy's least."""
    angle = np.radians(min(degrees, 45.0))
    return float(0.95 / (np.cos(angle) + np.sin(angle) + np.sin(np.radians(tilt))))


def check_strain(measured: MeasuredGeometry) -> CheckResult:
    """I6: the local change of volume, against the fitted affine's."""
    dims = measured.grid.dims
    steps = [np.diff(measured.coordinates.measured, axis=2 + axis) for axis in range(dims)]
    cut = tuple(slice(0, measured.pipeline.size - 1) for _ in range(dims))
    columns = [step[(slice(None), slice(None), *cut)] for step in steps]
    jacobian = np.stack(columns, axis=-1)
    inside = np.ones(jacobian.shape[:-2], bool)
    for corner in np.ndindex(*(2,) * dims):
        moved = tuple(slice(n, measured.pipeline.size - 1 + n) for n in corner)
        inside &= measured.coordinates.inside[(slice(None), slice(None), *moved)]
    axes = (..., *[None] * dims)
    volume = np.linalg.det(jacobian) / np.linalg.det(measured.fit[..., :-1])[axes]
    low, high = np.percentile(volume[inside], [0.5, 99.5])
    figure = f"volume changes by {low:.3f} to {high:.3f}"
    return CheckResult("I6", figure, "0.7 to 1.3", bool(low >= 0.7 and high <= 1.3), measured.grid.name)


def check_affine(measured: MeasuredGeometry) -> CheckResult:
    """I7: pixels show the place that the view's affine claims."""
    error = np.linalg.norm(
        (measured.coordinates.measured - measured.coordinates.claimed) * measured.spacing, axis=-1
    )
    error /= measured.coordinates.params.edge[(..., *[None] * measured.grid.dims)]
    middle, tail = np.percentile(error[measured.coordinates.inside], [50, 99])
    worst = int(
        np.argmax(np.where(measured.coordinates.inside, error, 0).reshape(len(error), -1).max(axis=1))
    )
    figure = f"median {middle:.2%}, 99th percentile {tail:.2%} of the view"
    passed = bool(middle <= 0.01 and tail <= 0.05)
    return CheckResult(
        "I7",
        figure,
        "median <= 1 %, 99th percentile <= 5 %",
        passed,
        measured.grid.name,
        measured.pictures(worst),
    )


def check_mask(measured: MeasuredGeometry) -> CheckResult:
    """I8: masks move with their images."""
    grid = measured.grid
    center = np.array([0.44, 0.56, 0.5][: len(grid.shape)]) * grid.shape * grid.spacing
    extent = np.array(grid.shape) * grid.spacing
    reach = np.where(np.arange(len(grid.shape)) == 2, extent, 0.3 * extent.min())
    disc = (((grid.positions_mm() - center) / reach) ** 2).sum(axis=-1) <= 1
    scans = 8 if grid.dims == 2 else 3
    store = grid.phantoms(
        [disc.astype(np.float32)] * scans, np.arange(1, scans + 1), mask=disc.astype(np.uint8)
    )
    rendered = render_views(measured.pipeline, store, grid.dims, quiet=True)
    scores = []
    for views, masks in zip(rendered.data[:, :, 0] > 0.5, view_masks(store, rendered.params), strict=True):
        assert masks is not None
        both = (views & (masks > 0)).reshape(len(views), -1).sum(axis=1)
        total = views.reshape(len(views), -1).sum(axis=1) + (masks > 0).reshape(len(views), -1).sum(axis=1)
        scores += list(2 * both / np.maximum(total, 1))
    worst = min(scores)
    return CheckResult("I8", f"Dice at least {worst:.3f}", ">= 0.98", worst >= 0.98, grid.name)


def check_anchor(measured: MeasuredGeometry) -> CheckResult:
    """I9: the ball round the shared anchor is in both views."""
    dims = measured.grid.dims
    rng = np.random.Generator(np.random.Philox(key=9))
    ball = rng.normal(size=(400, dims))
    ball *= rng.random((400, 1)) ** (1 / dims) / np.linalg.norm(ball, axis=1, keepdims=True)
    radius = measured.pipeline.policy.crop.anchor * measured.coordinates.geometry.fov
    anchors = anchor_voxels(measured.coordinates.geometry, measured.coordinates.params.anchor)
    points = anchors[:, None] + ball * radius[:, None, None] / measured.spacing
    shown_share = measured.shown(points).mean(axis=-1).min()
    figure = f"at least {shown_share:.1%} of the ball is in every view"
    return CheckResult("I9", figure, ">= 95 %", bool(shown_share >= 0.95), measured.grid.name)


def check_lesions(measured: MeasuredGeometry) -> CheckResult:
    """I10: a lesion is in both views or in neither; lesions lie anywhere in the middle 80 % of each axis."""
    rng = np.random.Generator(np.random.Philox(key=10))
    centers = 0.1 + 0.8 * rng.random((len(measured.coordinates.params.rows), POINTS, measured.grid.dims))
    centers = measured.in_field(centers)
    first, second = np.moveaxis(measured.shown(centers)[:, :2], 1, 0)
    most = measured.pipeline.policy.crop.disagree
    stated = "" if most <= 0.1 else ", which the policy accepts"
    if measured.grid.dims == 3:
        lost = float((first & ~second).sum() / max(first.sum(), 1))
        figure, limit = f"P(second loses | first has) {lost:.3f}", f"<= {2 * most:.2f}{stated}"
        return CheckResult("I10", figure, limit, lost <= 2 * most, measured.grid.name)
    apart = float((first != second).mean())
    figure = f"P(disagree) {apart:.3f}, P(one view loses) {1 - first.mean():.3f}"
    return CheckResult("I10", figure, f"P(disagree) <= {most:.2f}{stated}", apart <= most, measured.grid.name)


def check_padding(measured: MeasuredGeometry) -> CheckResult:
    """I13: on a phantom that is bright (dark) all over, what is not so is padding, or was cut out."""
    grid, policy = measured.grid, measured.pipeline.policy
    value = 0.0 if policy.padding_value == "high" else 1.0
    scans = 24 if grid.dims == 2 else 4
    store = grid.phantoms(
        [np.full(grid.shape, value, np.float32)] * scans, np.arange(1, scans + 1), limits=(0, 1)
    )
    rendered = render_views(measured.pipeline, store, grid.dims, quiet=True)
    padded = (np.abs(rendered.data - value) > 0.5).any(axis=2)
    share = padded.reshape(*padded.shape[:2], -1).mean(axis=-1)
    worst = int(share.max(axis=1).argmax())
    picture = rendered.data[worst, share[worst].argmax(), 0]
    shown = (("worst padding", picture if picture.ndim == 2 else picture[0]),)
    return CheckResult(
        "I13", f"at most {share.max():.2%} of a view", "<= 1 %", bool(share.max() <= 0.01), grid.name, shown
    )


def check_overlap(measured: MeasuredGeometry) -> CheckResult:
    """I15: the views of a pair overlap, on points distributed evenly over both."""
    rng = np.random.Generator(np.random.Philox(key=15))
    dims, size = measured.grid.dims, measured.pipeline.size
    shares = []
    for scan in range(len(measured.coordinates.params.rows)):
        pixels = rng.random((4 * POINTS, dims)) * size - 0.5
        ratio = []
        for view in range(2):
            points = pixels @ measured.fit[scan, view, :, :-1].T + measured.fit[scan, view, :, -1]
            both = measured.shown(
                np.broadcast_to(points, (len(measured.coordinates.params.rows), *points.shape))
            )[scan].all(axis=0)
            ratio.append(
                np.abs(np.linalg.det(measured.fit[scan, view, :, :-1])) * np.array([both.mean(), 1.0])
            )
        shared = (ratio[0][0] + ratio[1][0]) / 2
        shares.append(shared / (ratio[0][1] + ratio[1][1] - shared))
    crop = measured.pipeline.policy.crop
    least = crop.overlap if dims == 2 else crop.overlap_3d
    low, middle = np.percentile(shares, [0, 50])
    figure = f"least {low:.2f}, median {middle:.2f}"
    return CheckResult("I15", figure, f">= {least:.2f}", bool(low >= least - 0.02), measured.grid.name)


def check_inverse(measured: MeasuredGeometry) -> CheckResult:
    """I20: the claimed affine, inverted, brings a view back onto its source."""
    grid, dims = measured.grid, measured.grid.dims
    share = grid.positions_mm() / (np.array(grid.shape) * grid.spacing)
    smooth = 0.5 + 0.4 * np.sin(4 * share[..., 0] + 1) * np.cos(3 * share[..., 1])
    scans = 8 if dims == 2 else 2
    store = grid.phantoms([smooth.astype(np.float32)] * scans, np.arange(1, scans + 1), limits=(0, 1))
    rendered = render_views(measured.pipeline, store, dims, quiet=True)
    source = smooth if smooth.ndim == dims else smooth[..., 0]
    voxels = np.indices(source.shape).reshape(dims, -1).T
    errors = []
    for scan, view in np.ndindex(rendered.params.shape):
        matrix = rendered.params.matrix[scan, view]
        at = (voxels - matrix[:, -1]) @ np.linalg.inv(matrix[:, :-1]).T
        inside = ((at >= 1) & (at <= measured.pipeline.size - 2)).all(axis=1)
        back = map_coordinates(rendered.data[scan, view, 0], at[inside].T, order=1)
        errors.append(np.abs(back - source.ravel()[inside]).mean())
    worst = max(errors)
    return CheckResult("I20", f"at most {worst:.2%} of the window", "<= 2 %", worst <= 0.02, grid.name)
