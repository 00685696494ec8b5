"""Invariants of intensity and of the machinery: I1, I2, I11, I12, I14, I16 to I19 and I21."""

from __future__ import annotations

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from medcl.intensity import AIR_HU, PADDING_HU
from medcl.views.audit.check_results import CheckResult
from medcl.views.audit.phantoms import CANARY, PhantomGrid, Phantoms
from medcl.views.audit.view_pipeline import (
    SEED,
    ViewPipeline,
    measure_coordinates,
    render_views,
    share_scan_or_patient,
)
from medcl.views.backends.choose import choose_backend
from medcl.views.sampling.draw import draw_views
from medcl.views.sampling.scan_geometry import read_geometry

INSERTS = {
    "HU": (AIR_HU, -100.0, 0.0, 65.0, 900.0),  # air, fat, water, blood, bone
    "SUV": (0.0, 1.0, 2.5, 5.0, 9.0),
    "a.u.": (50.0, 120.0, 300.0, 720.0, 950.0),
}
_RANGE = {"HU": (float(PADDING_HU), 1000.0), "SUV": (0.0, 10.0), "a.u.": (0.0, 1000.0)}


def _insert_map(grid: PhantomGrid) -> np.ndarray:
    """Return which insert lies where, (*shape): a checkerboard of large blocks."""
    blocks = [np.arange(n) * 6 // n for n in grid.shape[:2]]
    number = (blocks[0][:, None] + 2 * blocks[1][None]) % 5
    return np.broadcast_to(number.reshape(*number.shape, *[1] * (len(grid.shape) - 2)), grid.shape)


def check_calibration(pipeline: ViewPipeline, grid: PhantomGrid) -> CheckResult:
    """I1: inserts have their true values through the declared window; without one they keep their order."""
    unit = pipeline.policy.unit
    inserts, number = np.array(INSERTS[unit]), _insert_map(grid)
    scans = 24 if grid.dims == 2 else 4
    array = inserts[number].astype(np.float32)
    store = grid.phantoms([array] * scans, np.arange(1, scans + 1), unit, _RANGE[unit], noise=0.0)
    rendered = render_views(pipeline, store, grid.dims)
    coordinates = measure_coordinates(pipeline, grid, scans)
    errors, orders, zeros = [], [], [0.0]
    for scan, view in np.ndindex(rendered.params.shape):
        pure, names = _pure(number, coordinates.measured[scan, view], coordinates.inside[scan, view])
        low, width = rendered.params.low[scan, view], rendered.params.width[scan, view]
        shown = rendered.data[scan, view].mean(axis=0)
        means = np.array(
            [
                np.median(shown[pure & (names == n)]) if (pure & (names == n)).any() else np.nan
                for n in range(5)
            ]
        )
        visible = ~np.isnan(means)
        if visible.sum() > 2 and np.ptp(means[visible]) > 0:
            orders.append(_order(means[visible], inserts[visible]))
        read = means * width + low
        within = visible & (means > 0.01) & (means < 0.99)
        allowed = {"HU": 10 + 0.01 * np.abs(inserts), "SUV": 0.02 + 0.11 * inserts}.get(unit)
        if allowed is not None and within.any():
            errors.append(float((np.abs(read - inserts) / allowed)[within].max()))
        if unit == "SUV" and visible[0]:
            zeros.append(float(abs(read[0])))
    order = min(orders, default=1.0)
    worst = max(errors, default=0.0)
    passed = bool(order >= 0.999 and worst <= 1 and max(zeros) <= 0.02)
    limit = {"HU": "within 10 HU + 1 %", "SUV": "within 11 %, zero stays zero"}.get(
        unit, "order of inserts kept"
    )
    figure = f"order kept to {order:.3f}" + (
        "" if unit == "a.u." else f", error {worst:.2f} of what is allowed"
    )
    shown = rendered.data[0, 0, 0]
    image = (("inserts", shown if shown.ndim == 2 else shown[len(shown) // 2]),)
    return CheckResult("I1", figure, limit, passed, grid.name, image)


def _order(means: np.ndarray, inserts: np.ndarray) -> float:
    """Return Spearman's correlation of what is shown with what is, values beyond the window being equal."""
    distinct = (means > 0.005) & (means < 0.995)
    if distinct.sum() < 2:
        return 1.0 if (np.diff(means[np.argsort(inserts)]) >= -1e-3).all() else -1.0
    return float(spearmanr(means[distinct], inserts[distinct])[0])


def _pure(number: np.ndarray, voxels: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where a pixel shows the inside of one insert, and which one."""
    plane = number if number.ndim == voxels.shape[-1] else number[..., 0]
    at = np.rint(voxels).astype(int)
    names, pure = None, inside.copy()
    for shift in np.stack(np.meshgrid(*[(-4, 0, 4)] * 2, indexing="ij"), -1).reshape(-1, 2):
        moved = at.copy()
        moved[..., :2] += shift
        moved = np.clip(moved, 0, np.array(plane.shape) - 1)
        here = plane[tuple(np.moveaxis(moved, -1, 0))]
        names = here if names is None else names
        pure &= here == names
    center = plane[tuple(np.moveaxis(np.clip(at, 0, np.array(plane.shape) - 1), -1, 0))]
    return pure & (center == names), center


def check_untouched(pipeline: ViewPipeline, grid: PhantomGrid) -> CheckResult:
    """I2: rendering leaves the stored scan as it was, outside any window."""
    array = (np.indices(grid.shape).sum(axis=0) * 7 % 3000 - 1024).astype(np.int16)
    before = array.copy()
    store = grid.phantoms([array], np.array([1]), pipeline.policy.unit)
    render_views(pipeline, store, grid.dims)
    changed = int((array != before).sum())
    return CheckResult("I2", f"{changed} stored samples changed", "0", changed == 0, grid.name)


def check_contrast(pipeline: ViewPipeline, grid: PhantomGrid) -> CheckResult:
    """I11: contrast to noise of discs of the smallest protected size, against the same view unchanged."""
    low, high = _RANGE[pipeline.policy.unit]
    sigma = 0.01 * (high - low)
    background = {"HU": 40.0, "SUV": 3.0}.get(pipeline.policy.unit, 0.4 * (high - low))
    sigma = {"HU": 10.0, "SUV": 0.3}.get(pipeline.policy.unit, sigma)
    if pipeline.policy.noise.kind == "speckle":
        sigma = 0.1 * background
    radius = pipeline.policy.d_min_mm / 2
    pitch = max(6 * radius, 10 * grid.spacing[0])
    positions = grid.positions_mm()[..., :2]
    disc = ((np.mod(positions, pitch) - pitch / 2) ** 2).sum(axis=-1) <= radius**2
    rng = np.random.Generator(np.random.Philox(key=11))
    array = background + 2 * sigma * disc + sigma * rng.normal(size=grid.shape)
    scans = 32
    store = grid.phantoms(
        [array.astype(np.float32)] * scans, np.arange(1, scans + 1), pipeline.policy.unit, (low, high), sigma
    )
    changed, unchanged = render_views(pipeline, store, 2), render_views(pipeline, store, 2, quiet=True)
    coordinates = measure_coordinates(pipeline, grid, scans)
    ratios = []
    for scan, view in np.ndindex(changed.params.shape):
        at = (
            np.mod((coordinates.measured[scan, view][..., :2] + 0.0) * np.array(grid.spacing[:2]), pitch)
            - pitch / 2
        )
        distance = np.hypot(at[..., 0], at[..., 1])
        inside = (distance < 0.6 * radius) & coordinates.inside[scan, view]
        around = (distance > 1.6 * radius) & coordinates.inside[scan, view]
        if inside.sum() > 20:
            ratios.append(
                _cnr(changed.data[scan, view].mean(0), inside, around)
                / _cnr(unchanged.data[scan, view].mean(0), inside, around)
            )
    low_end, middle = np.percentile(ratios, [5, 50])
    figure = f"median {middle:.2f}, 5th percentile {low_end:.2f} of the unchanged view's"
    passed = bool(middle >= 0.8 and low_end >= 0.6)
    return CheckResult("I11", figure, "median >= 0.8, 5th percentile >= 0.6", passed, grid.name)


def _cnr(image: np.ndarray, inside: np.ndarray, around: np.ndarray) -> float:
    """Return contrast over local noise; a smooth shading is no noise, so neighbors are compared."""
    contrast = abs(image[inside].mean() - image[around].mean())
    steps = np.diff(image, axis=1)[around[:, 1:] & around[:, :-1]]
    return float(contrast / max(steps.std() / np.sqrt(2), 1e-6))


def check_range(pipeline: ViewPipeline, grid: PhantomGrid) -> CheckResult:
    """I12: finite and within the declared range, whatever the scan holds."""
    low, high = _RANGE[pipeline.policy.unit]
    rng = np.random.Generator(np.random.Philox(key=12))
    array = rng.uniform(low - (high - low), high + (high - low), grid.shape).astype(np.float32)
    store = grid.phantoms(
        [array] * 8, np.arange(1, 9), pipeline.policy.unit, (low, high), 0.05 * (high - low)
    )
    data = render_views(pipeline, store, grid.dims).data
    bad = float((~np.isfinite(data) | (data < -1e-5) | (data > 1 + 1e-5)).mean())
    return CheckResult("I12", f"{bad:.2%} of pixels outside", "0", bad == 0, grid.name)


def check_leakage(pipeline: ViewPipeline, grid: PhantomGrid) -> CheckResult:
    """I14: borders of views of featureless scans do not reveal which views are of one scan."""
    scans = 64 if grid.dims == 2 else 8
    store = grid.phantoms(
        [np.full(grid.shape, 0.5, np.float32)] * scans, np.arange(1, scans + 1), limits=(0, 1)
    )
    data = render_views(pipeline, store, grid.dims, quiet=True).data[:, :, 0]
    rim = np.ones(data.shape[2:], bool)
    rim[tuple(slice(8, -8) for _ in range(grid.dims))] = False
    borders = data[..., rim]
    apart = np.abs(borders[:, None, 0] - borders[None, :, 1]).mean(axis=-1)
    same = np.eye(scans, dtype=bool)
    score = roc_auc_score(same.ravel(), -apart.ravel()) if np.ptp(apart) > 0 else 0.5
    return CheckResult(
        "I14", f"AUROC {score:.2f} for pairing by border", "<= 0.60", bool(score <= 0.6), grid.name
    )


def check_determinism(pipeline: ViewPipeline, grid: PhantomGrid) -> CheckResult:
    """I16: alone, in company, reversed or again, a scan's views are the same bytes."""
    store = _textured(grid, 6)
    geometry = read_geometry(store, range(6), grid.dims)
    policy = pipeline.policy

    def views(index: list[int]) -> dict[int, bytes]:
        params = pipeline.draw(policy, geometry.take(np.array(index)), SEED, 3)
        return {
            n: rendered.tobytes() for n, rendered in zip(index, pipeline.render(store, params), strict=True)
        }

    usual = views(list(range(6)))
    others: list[dict[int, bytes]] = [views([n]) for n in range(6)]
    others += [views([5, 4, 3, 2, 1, 0]), views([2, 4]), views(list(range(6)))]
    different = sum(rendered != usual[n] for other in others for n, rendered in other.items())
    return CheckResult("I16", f"{different} of {24 - 4} repeats differ", "0", different == 0, grid.name)


def _textured(grid: PhantomGrid, scans: int) -> Phantoms:
    rng = np.random.Generator(np.random.Philox(key=16))
    arrays = [rng.uniform(0, 1000, grid.shape).astype(np.float32) for _ in range(min(scans, 2))]
    repeated = [arrays[n % len(arrays)] for n in range(scans)]
    return grid.phantoms(repeated, np.arange(1, scans + 1), limits=(0, 1000), noise=5.0)


def check_diversity(pipeline: ViewPipeline, grid: PhantomGrid) -> CheckResult:
    """I17: no two of 10 000 views were drawn alike, over scans, epochs and the two of a pair."""
    scans = 1250
    store = grid.phantoms([np.zeros(grid.shape, np.uint8)] * scans, np.arange(1, scans + 1), limits=(0, 1))
    geometry = read_geometry(store, range(scans), grid.dims)
    drawn = []
    for epoch in range(4):
        params = pipeline.draw(pipeline.policy, geometry, SEED, epoch)
        intensities = np.stack([params.noise_start, params.gain, params.gamma, params.edge], axis=-1)
        drawn.append(
            np.concatenate([intensities.reshape(-1, 4), params.center.reshape(-1, grid.dims)], axis=1)
        )
    table = np.concatenate(drawn)
    repeated = len(table) - len(np.unique(table, axis=0))
    return CheckResult("I17", f"{repeated} repeats in {len(table)} views", "0", repeated == 0, grid.name)


def check_backends(pipeline: ViewPipeline, grid: PhantomGrid) -> CheckResult:
    """I18: what is rendered is what MONAI's transforms make of the same parameters."""
    store = _textured(grid, 3)
    geometry = read_geometry(store, range(3), grid.dims)
    params = draw_views(pipeline.policy, geometry, pipeline.size, SEED)
    reference = choose_backend("monai")
    apart = np.abs(pipeline.render(store, params) - (reference(store, params).numpy() / 4 + 0.5)).max()
    return CheckResult("I18", f"{apart:.5f} of the window", "<= 0.001", bool(apart <= 1e-3), grid.name)


def check_sampling(pipeline: ViewPipeline, grid: PhantomGrid) -> CheckResult:
    """I19: pixels resolve the smallest protected structure, at the size that the planner asks for."""
    params = measure_coordinates(pipeline, grid, 4).params
    largest = float((params.edge / pipeline.size).max())
    most = pipeline.policy.max_px_mm
    extent = largest * pipeline.size
    needed = int(np.ceil(extent / most))
    # Reconstructions of emission tomography are no finer than half of what they resolve.
    across = 2 if pipeline.policy.unit == "SUV" else 3
    figure = f"a field of {extent:.3g} mm needs {needed} px; {across} pixels cover {across * most:.3g} mm"
    passed = pipeline.policy.d_min_mm >= across * most
    return CheckResult(
        "I19", figure, f"<= {most:g} mm per pixel for {pipeline.policy.d_min_mm:g} mm", passed, grid.name
    )


def check_negatives(pipeline: ViewPipeline, grid: PhantomGrid) -> CheckResult:
    """I21: in batches of 64, no scan is a negative of its exact copies or of other scans of its patient."""
    scans, copies = 96, 12
    store = grid.phantoms([np.zeros(grid.shape, np.uint8)] * scans, np.arange(scans) % (scans - copies))
    table = store.scans.assign(patient=[f"{CANARY}-{number % 16}" for number in range(scans)])
    truth = share_scan_or_patient(table)
    rng = np.random.Generator(np.random.Philox(key=21))
    false = negatives = 0
    for _ in range(50):
        batch = rng.permutation(scans)[:64]
        apart = ~pipeline.related(table.iloc[batch])
        false += int((apart & truth[np.ix_(batch, batch)]).sum())
        negatives += int(apart.sum())
    figure = f"{false / max(negatives, 1):.2%} of negatives share scan or patient"
    return CheckResult("I21", figure, "0", false == 0, grid.name)
