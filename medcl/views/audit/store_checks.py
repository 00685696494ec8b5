"""Invariants on a store's own scans: I2, I9, I10, I12, I13, I15, I19 and I21."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.views.audit.check_results import CheckResult
from medcl.views.audit.view_pipeline import SEED, ViewPipeline, share_scan_or_patient
from medcl.views.masks import pixel_positions, sample_nearest, view_masks, view_plane
from medcl.views.sampling.crop_geometry import anchor_voxels
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanGeometry, ScanSource, read_geometry

SCANS = 48
"""Most scans of a store that an audit looks at, at even distances over it."""
DRAWS = 200
"""Fewest pairs that are drawn of them."""
MIN_SHOWN_SHARE = 0.5
"""Share of a slice's labeled tissue that a view must show to count as keeping it."""
WHERE = "store"


def check_store(pipeline: ViewPipeline, store: ScanSource) -> list[CheckResult]:
    """Hold the policy's views of up to `SCANS` scans against the invariants that need no phantom."""
    total = len(store.scans)
    rows = np.unique(np.linspace(0, total - 1, min(total, SCANS)).astype(int))
    geometry = read_geometry(store, rows)
    epochs = range(max(4, DRAWS // len(rows)))
    drawn = [pipeline.draw(pipeline.policy, geometry, SEED, epoch) for epoch in epochs]
    results = [
        _check_storage(store, rows),
        _check_range(pipeline, store, drawn[0]),
        max(
            (_check_padding(pipeline, store, params) for params in drawn[:6]), key=lambda results: results[0]
        )[1],
        _check_overlap(pipeline, drawn),
        _check_sampling(pipeline, geometry.spaced, drawn),
        _check_negatives(pipeline, store.scans),
    ]
    if geometry.marked.any():
        results += [_check_anchor(pipeline, store, geometry, drawn), _check_lesions(pipeline, store, drawn)]
    return results


def _check_storage(store: ScanSource, rows: np.ndarray) -> CheckResult:
    """I2: HU are stored as whole numbers over more than any window."""
    calibrated = [int(r) for r in rows if store.scans["unit"].iloc[r] == "HU"]
    spans = [float(np.ptp(store.array(row))) for row in calibrated]
    narrow = sum(span < 500 for span in spans)
    figure = f"{narrow} of {len(spans)} HU scans span less than 500 HU"
    return CheckResult("I2", figure, "0", narrow == 0, WHERE)


def _check_range(pipeline: ViewPipeline, store: ScanSource, params: ViewParams) -> CheckResult:
    data = pipeline.render(store, params.take(np.arange(min(12, len(params.rows)))))
    bad = float((~np.isfinite(data) | (data < -1e-5) | (data > 1 + 1e-5)).mean())
    return CheckResult("I12", f"{bad:.2%} of pixels outside", "0", bad == 0, WHERE)


def _check_padding(
    pipeline: ViewPipeline, store: ScanSource, params: ViewParams
) -> tuple[float, CheckResult]:
    """I13: pixels beyond the scan, or where nothing was measured; the largest share, and the result."""
    worst, at = 0.0, (0, 0)
    for scan, view in np.ndindex(params.shape):
        valid = store.valid(int(params.rows[scan]))
        if valid is None:
            where = pixel_positions(params, scan, view)
            share = float(((where < -0.5) | (where > params.count[scan] - 0.5)).any(-1).mean())
        else:
            plane = view_plane(valid, params, scan, view)
            share = float(1 - sample_nearest(plane, params, scan, view).mean())
        if share > worst:
            worst, at = share, (scan, view)
    pictures = () if worst <= 0.01 else _pictures(pipeline, store, params, *at, "padding")
    return worst, CheckResult(
        "I13", f"at most {worst:.2%} of a view", "<= 1 %", worst <= 0.01, WHERE, pictures
    )


def _pictures(
    pipeline: ViewPipeline, store: ScanSource, params: ViewParams, scan: int, view: int, what: str
) -> tuple[tuple[str, np.ndarray], ...]:
    """Return one view, titled; nothing where text about the patient may be burned in."""
    flags = store.scans["flags"] if "flags" in store.scans else pd.Series("", store.scans.index)
    if "BURNED_IN_RISK" in str(flags.iloc[int(params.rows[scan])]):
        return ()
    shown = pipeline.render(store, params.take(np.array([scan])))[0, view].mean(axis=0)
    return ((f"row {params.rows[scan]}, view {view + 1}: {what}", shown),)


def _check_overlap(pipeline: ViewPipeline, drawn: list[ViewParams]) -> CheckResult:
    low, middle = np.percentile(np.concatenate([params.overlap for params in drawn]), [0, 50])
    least = pipeline.policy.crop.overlap
    return CheckResult(
        "I15", f"least {low:.2f}, median {middle:.2f}", f">= {least:.2f}", bool(low >= least), WHERE
    )


def _check_sampling(pipeline: ViewPipeline, spaced: np.ndarray, drawn: list[ViewParams]) -> CheckResult:
    """I19: at the audited size, the coarsest pixel of any view."""
    most = pipeline.policy.max_px_mm
    limit = f"<= {most:g} mm per pixel for {pipeline.policy.d_min_mm:g} mm"
    if not spaced.any():
        return CheckResult("I19", "spacing unknown: cannot be measured (SPACING_UNKNOWN)", limit, True, WHERE)
    pixels = np.concatenate([params.edge[spaced] for params in drawn]) / pipeline.size
    needed = int(np.ceil(pixels.max() * pipeline.size / most))
    figure = f"up to {pixels.max():.2g} mm at {pipeline.size} px; {needed} px or tiles would do"
    return CheckResult("I19", figure, limit, bool(pixels.max() <= most), WHERE)


def _check_negatives(pipeline: ViewPipeline, scans: pd.DataFrame) -> CheckResult:
    """I21: negatives of random batches of 64 that share patient or pixels, as far as either is known."""
    rng = np.random.Generator(np.random.Philox(key=21))
    batches = [rng.permutation(len(scans))[:64] for _ in range(20)]
    related_pairs = excluded = pairs = 0
    for batch in batches:
        truth = share_scan_or_patient(scans.iloc[batch]) & ~np.eye(len(batch), dtype=bool)
        shown = pipeline.related(scans.iloc[batch])
        related_pairs, excluded, pairs = (
            related_pairs + truth.sum(),
            excluded + (truth & shown).sum(),
            pairs + truth.size - len(batch),
        )
    flags = scans["flags"].fillna("") if "flags" in scans else pd.Series("", index=scans.index)
    unknown_patients = int(
        (flags.str.contains("PATIENT_UNKNOWN") & ~scans["patient"].duplicated(keep=False)).sum()
    )
    missed, share = (related_pairs - excluded) / max(pairs, 1), related_pairs / max(pairs, 1)
    figure = f"{missed:.2%} ({share:.2%} are related and set aside)"
    if unknown_patients:
        figure += f"; PATIENT_UNKNOWN for {unknown_patients} of {len(scans)} scans, which cannot be checked"
    return CheckResult("I21", figure, "0", bool(related_pairs == excluded), WHERE)


def _check_anchor(
    pipeline: ViewPipeline, store: ScanSource, geometry: ScanGeometry, drawn: list[ViewParams]
) -> CheckResult:
    """I9: of labeled tissue in the ball round an anchor that lies on it, what each view shows."""
    radius = pipeline.policy.crop.anchor * geometry.fov
    least, pairs = 1.0, 0
    for params in drawn:
        for scan in np.flatnonzero(params.marked):
            mask = store.mask(int(params.rows[scan]))
            assert mask is not None
            for view in range(2):
                inside = view_plane(mask, params, int(scan), view) > 0
                shown = _shown_near_anchor(inside, geometry, params, int(scan), view, float(radius[scan]))
                least, pairs = min(least, shown), pairs + 1
    figure = f"at least {least:.1%} of it in {pairs} views with a labeled anchor"
    return CheckResult("I9", figure, ">= 95 %", least >= 0.95, WHERE)


def _shown_near_anchor(
    inside: np.ndarray, geometry: ScanGeometry, params: ViewParams, scan: int, view: int, radius: float
) -> float:
    """Return the share of the samples `inside`, within `radius` of the anchor, that a view shows."""
    where = np.argwhere(inside)
    order = np.argsort(geometry.axes[scan])
    spacing = np.diag(geometry.grid[scan])[order]
    anchor = anchor_voxels(geometry.take(np.array([scan])), params.anchor[scan : scan + 1])[0]
    near = where[np.linalg.norm((where - anchor) * spacing, axis=1) <= radius]
    if not len(near):
        return 1.0
    matrix = params.matrix[scan, view]
    at = (near - matrix[:, -1]) @ np.linalg.inv(matrix[:, :-1]).T
    return float(((at >= -0.5) & (at <= params.size - 0.5)).all(axis=1).mean())


def _check_lesions(pipeline: ViewPipeline, store: ScanSource, drawn: list[ViewParams]) -> CheckResult:
    """I10: pairs of which both views, or one, show `MIN_SHOWN_SHARE` of their slices' labeled tissue."""
    both = one = pairs = 0
    worst: tuple[tuple[str, np.ndarray], ...] = ()
    for params in drawn:
        for scan, masks in enumerate(view_masks(store, params)):
            shown = (
                [] if masks is None else [_shown_share(store, params, scan, v, masks[v]) for v in range(2)]
            )
            if len([share for share in shown if share is not None]) < 2:
                continue
            first, second = (share is not None and share >= MIN_SHOWN_SHARE for share in shown)
            pairs, both, one = pairs + 1, both + (first and second), one + (first != second)
            if first != second and len(worst) < 4:
                worst += _pictures(pipeline, store, params, scan, 0, "one view keeps the label")
                worst += _pictures(pipeline, store, params, scan, 1, "its partner")
    total, most = max(pairs, 1), pipeline.policy.crop.disagree
    figure = f"both views keep labeled tissue in {both / total:.1%}, exactly one in {one / total:.1%}"
    figure += f" of {pairs} pairs"
    return CheckResult("I10", figure, f"exactly one <= {most:.0%}", one / total <= most, WHERE, worst)


def _shown_share(
    store: ScanSource, params: ViewParams, scan: int, view: int, shown: np.ndarray
) -> float | None:
    """Return the share of the labeled area of a view's slice that it shows; None where there is none."""
    mask = store.mask(int(params.rows[scan]))
    there = 0 if mask is None else int((view_plane(mask, params, scan, view) > 0).sum())
    scale = float(np.abs(np.linalg.det(params.matrix[scan, view, :, : params.dims])))
    return float((shown > 0).sum()) * scale / there if there else None
