"""Invariants of intensity and of the machinery: I1, I2, I11, I12, I14, I16 to I19 and I21."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from medcl.views.audit.findings import Finding
from medcl.views.audit.phantoms import CANARY, Phantoms, World
from medcl.views.audit.subject import SEED, Subject, coordinates, make, share_scan_or_patient
from medcl.views.backends.choose import choose_backend
from medcl.views.sampling.draw import draw_views
from medcl.views.sampling.scan_geometry import read_geometry

INSERTS = {
    "HU": (-1000.0, -100.0, 0.0, 65.0, 900.0),  # air, fat, water, blood, bone
    "SUV": (0.0, 1.0, 2.5, 5.0, 9.0),
    "a.u.": (50.0, 120.0, 300.0, 720.0, 950.0),
}
_RANGE = {"HU": (-1024.0, 1000.0), "SUV": (0.0, 10.0), "a.u.": (0.0, 1000.0)}


def _insert_map(world: World) -> np.ndarray:
    """Return which insert lies where, (*shape): a chequered field of large blocks."""
    blocks = [np.arange(n) * 6 // n for n in world.shape[:2]]
    number = (blocks[0][:, None] + 2 * blocks[1][None]) % 5
    return np.broadcast_to(number.reshape(*number.shape, *[1] * (len(world.shape) - 2)), world.shape)


def check_calibration(subject: Subject, world: World) -> Finding:
    """I1: through the declared window, inserts read as what they are; elsewhere their order stays."""
    unit = subject.policy.unit
    inserts, number = np.array(INSERTS[unit]), _insert_map(world)
    scans = 24 if world.dims == 2 else 4
    array = inserts[number].astype(np.float32)
    store = world.phantoms([array] * scans, np.arange(1, scans + 1), unit, _RANGE[unit], noise=0.0)
    made = make(subject, store, world.dims)
    which = coordinates(subject, world, scans)
    errors, orders, zeros = [], [], [0.0]
    for scan, view in np.ndindex(made.params.shape):
        pure, names = _pure(number, which.measured[scan, view], which.inside[scan, view])
        low, width = made.params.low[scan, view], made.params.width[scan, view]
        shown = made.data[scan, view].mean(axis=0)
        means = np.array(
            [
                np.median(shown[pure & (names == n)]) if (pure & (names == n)).any() else np.nan
                for n in range(5)
            ]
        )
        there = ~np.isnan(means)
        if there.sum() > 2 and np.ptp(means[there]) > 0:
            orders.append(_order(means[there], inserts[there]))
        read = means * width + low
        within = there & (means > 0.01) & (means < 0.99)
        allowed = {"HU": 10 + 0.01 * np.abs(inserts), "SUV": 0.02 + 0.11 * inserts}.get(unit)
        if allowed is not None and within.any():
            errors.append(float((np.abs(read - inserts) / allowed)[within].max()))
        if unit == "SUV" and there[0]:
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
    shown = made.data[0, 0, 0]
    picture = (("inserts", shown if shown.ndim == 2 else shown[len(shown) // 2]),)
    return Finding("I1", figure, limit, passed, world.name, picture)


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


def check_untouched(subject: Subject, world: World) -> Finding:
    """I2: rendering leaves the stored scan as it was, outside any window."""
    array = (np.indices(world.shape).sum(axis=0) * 7 % 3000 - 1024).astype(np.int16)
    before = array.copy()
    store = world.phantoms([array], np.array([1]), subject.policy.unit)
    make(subject, store, world.dims)
    changed = int((array != before).sum())
    return Finding("I2", f"{changed} stored samples changed", "0", changed == 0, world.name)


def check_contrast(subject: Subject, world: World) -> Finding:
    """I11: contrast to noise of discs of the smallest protected size, against the same view unchanged."""
    low, high = _RANGE[subject.policy.unit]
    sigma = 0.01 * (high - low)
    background = {"HU": 40.0, "SUV": 3.0}.get(subject.policy.unit, 0.4 * (high - low))
    sigma = {"HU": 10.0, "SUV": 0.3}.get(subject.policy.unit, sigma)
    if subject.policy.noise.kind == "speckle":
        sigma = 0.1 * background
    radius = subject.policy.d_min_mm / 2
    pitch = max(6 * radius, 10 * world.spacing[0])
    grid = world.grid()[..., :2]
    disc = ((np.mod(grid, pitch) - pitch / 2) ** 2).sum(axis=-1) <= radius**2
    rng = np.random.Generator(np.random.Philox(key=11))
    array = background + 2 * sigma * disc + sigma * rng.normal(size=world.shape)
    scans = 32
    store = world.phantoms(
        [array.astype(np.float32)] * scans, np.arange(1, scans + 1), subject.policy.unit, (low, high), sigma
    )
    loud, still = make(subject, store, 2), make(subject, store, 2, quiet=True)
    where = coordinates(subject, world, scans)
    ratios = []
    for scan, view in np.ndindex(loud.params.shape):
        at = (
            np.mod((where.measured[scan, view][..., :2] + 0.0) * np.array(world.spacing[:2]), pitch)
            - pitch / 2
        )
        distance = np.hypot(at[..., 0], at[..., 1])
        inside = (distance < 0.6 * radius) & where.inside[scan, view]
        around = (distance > 1.6 * radius) & where.inside[scan, view]
        if inside.sum() > 20:
            ratios.append(
                _cnr(loud.data[scan, view].mean(0), inside, around)
                / _cnr(still.data[scan, view].mean(0), inside, around)
            )
    low_end, middle = np.percentile(ratios, [5, 50])
    figure = f"median {middle:.2f}, 5th percentile {low_end:.2f} of the unchanged view's"
    passed = bool(middle >= 0.8 and low_end >= 0.6)
    return Finding("I11", figure, "median >= 0.8, 5th percentile >= 0.6", passed, world.name)


def _cnr(picture: np.ndarray, inside: np.ndarray, around: np.ndarray) -> float:
    """Return contrast over local noise; a smooth shading is no noise, so neighbors are compared."""
    contrast = abs(picture[inside].mean() - picture[around].mean())
    steps = np.diff(picture, axis=1)[around[:, 1:] & around[:, :-1]]
    return float(contrast / max(steps.std() / np.sqrt(2), 1e-6))


def check_range(subject: Subject, world: World) -> Finding:
    """I12: finite and within the declared range, whatever the scan holds."""
    low, high = _RANGE[subject.policy.unit]
    rng = np.random.Generator(np.random.Philox(key=12))
    array = rng.uniform(low - (high - low), high + (high - low), world.shape).astype(np.float32)
    store = world.phantoms(
        [array] * 8, np.arange(1, 9), subject.policy.unit, (low, high), 0.05 * (high - low)
    )
    data = make(subject, store, world.dims).data
    bad = float((~np.isfinite(data) | (data < -1e-5) | (data > 1 + 1e-5)).mean())
    return Finding("I12", f"{bad:.2%} of pixels outside", "0", bad == 0, world.name)


def check_leakage(subject: Subject, world: World) -> Finding:
    """I14: borders of views of featureless scans do not tell which views are of one scan."""
    scans = 64 if world.dims == 2 else 8
    store = world.phantoms(
        [np.full(world.shape, 0.5, np.float32)] * scans, np.arange(1, scans + 1), limits=(0, 1)
    )
    data = make(subject, store, world.dims, quiet=True).data[:, :, 0]
    rim = np.ones(data.shape[2:], bool)
    rim[tuple(slice(8, -8) for _ in range(world.dims))] = False
    borders = data[..., rim]
    apart = np.abs(borders[:, None, 0] - borders[None, :, 1]).mean(axis=-1)
    same = np.eye(scans, dtype=bool)
    score = roc_auc_score(same.ravel(), -apart.ravel()) if np.ptp(apart) > 0 else 0.5
    return Finding(
        "I14", f"AUROC {score:.2f} for pairing by border", "<= 0.60", bool(score <= 0.6), world.name
    )


def check_determinism(subject: Subject, world: World) -> Finding:
    """I16: alone, in company, reversed or again, a scan's views are the same bytes."""
    store = _textured(world, 6)
    frames = read_geometry(store, range(6), world.dims)
    policy = subject.policy

    def views(index: list[int]) -> dict[int, bytes]:
        params = subject.draw(policy, frames.take(np.array(index)), SEED, 3)
        return {n: made.tobytes() for n, made in zip(index, subject.render(store, params), strict=True)}

    usual = views(list(range(6)))
    others: list[dict[int, bytes]] = [views([n]) for n in range(6)]
    others += [views([5, 4, 3, 2, 1, 0]), views([2, 4]), views(list(range(6)))]
    different = sum(made != usual[n] for other in others for n, made in other.items())
    return Finding("I16", f"{different} of {24 - 4} repeats differ", "0", different == 0, world.name)


def _textured(world: World, scans: int) -> Phantoms:
    rng = np.random.Generator(np.random.Philox(key=16))
    arrays = [rng.uniform(0, 1000, world.shape).astype(np.float32) for _ in range(min(scans, 2))]
    chosen = [arrays[n % len(arrays)] for n in range(scans)]
    return world.phantoms(chosen, np.arange(1, scans + 1), limits=(0, 1000), noise=5.0)


def check_diversity(subject: Subject, world: World) -> Finding:
    """I17: no two of 10 000 views were drawn alike, over scans, epochs and the two of a pair."""
    scans = 1250
    store = world.phantoms([np.zeros(world.shape, np.uint8)] * scans, np.arange(1, scans + 1), limits=(0, 1))
    frames = read_geometry(store, range(scans), world.dims)
    drawn = []
    for epoch in range(4):
        params = subject.draw(subject.policy, frames, SEED, epoch)
        looks = np.stack([params.noise_start, params.gain, params.gamma, params.edge], axis=-1)
        drawn.append(np.concatenate([looks.reshape(-1, 4), params.center.reshape(-1, world.dims)], axis=1))
    table = np.concatenate(drawn)
    repeated = len(table) - len(np.unique(table, axis=0))
    return Finding("I17", f"{repeated} repeats in {len(table)} views", "0", repeated == 0, world.name)


def check_backends(subject: Subject, world: World) -> Finding:
    """I18: what is rendered is what MONAI's transforms make of the same parameters."""
    store = _textured(world, 3)
    frames = read_geometry(store, range(3), world.dims)
    params = draw_views(subject.policy, frames, subject.size, SEED)
    reference: Callable = choose_backend("monai")
    apart = np.abs(subject.render(store, params) - (reference(store, params).numpy() / 4 + 0.5)).max()
    return Finding("I18", f"{apart:.5f} of the window", "<= 0.001", bool(apart <= 1e-3), world.name)


def check_sampling(subject: Subject, world: World) -> Finding:
    """I19: pixels resolve the smallest protected structure, at the size that the planner asks for."""
    params = coordinates(subject, world, 4).params
    largest = float((params.edge / subject.size).max())
    most = subject.policy.max_px_mm
    extent = largest * subject.size
    needed = int(np.ceil(extent / most))
    # Reconstructions of emission tomography are no finer than half of what they resolve.
    across = 2 if subject.policy.unit == "SUV" else 3
    figure = f"a field of {extent:.3g} mm needs {needed} px; {across} pixels cover {across * most:.3g} mm"
    passed = subject.policy.d_min_mm >= across * most
    return Finding(
        "I19", figure, f"<= {most:g} mm a pixel for {subject.policy.d_min_mm:g} mm", passed, world.name
    )


def check_negatives(subject: Subject, world: World) -> Finding:
    """I21: in batches of 64, no scan is told from its exact copies or from others of its patient."""
    scans, copies = 96, 12
    store = world.phantoms([np.zeros(world.shape, np.uint8)] * scans, np.arange(scans) % (scans - copies))
    table = store.scans.assign(patient=[f"{CANARY}-{number % 16}" for number in range(scans)])
    truth = share_scan_or_patient(table)
    rng = np.random.Generator(np.random.Philox(key=21))
    false = negatives = 0
    for _ in range(50):
        batch = rng.permutation(scans)[:64]
        apart = ~subject.related(table.iloc[batch])
        false += int((apart & truth[np.ix_(batch, batch)]).sum())
        negatives += int(apart.sum())
    figure = f"{false / max(negatives, 1):.2%} of negatives share scan or patient"
    return Finding("I21", figure, "0", false == 0, world.name)
