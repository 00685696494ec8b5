"""Invariants on a store's own scans: I2, I9, I10, I12, I13, I15, I19 and I21."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.views.audit.findings import Finding
from medcl.views.audit.subject import SEED, Subject, share_scan_or_patient
from medcl.views.masks import pixel_positions, sample_nearest, view_masks, view_plane
from medcl.views.sampling.crop_geometry import anchor_voxels
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanGeometry, ScanSource, read_geometry

SCANS = 48
"""Most scans of a store that an audit looks at, evenly spread over it."""
DRAWS = 200
"""Fewest pairs that are drawn of them."""
KEPT = 0.5
"""Share of a slice's labeled tissue that a view must show to count as keeping it."""
WHERE = "store"


def check_store(subject: Subject, store: ScanSource) -> list[Finding]:
    """Hold the policy's views of up to `SCANS` scans against the invariants that need no phantom."""
    total = len(store.scans)
    rows = np.unique(np.linspace(0, total - 1, min(total, SCANS)).astype(int))
    frames = read_geometry(store, rows)
    epochs = range(max(4, DRAWS // len(rows)))
    drawn = [subject.draw(subject.policy, frames, SEED, epoch) for epoch in epochs]
    found = [
        _stored(store, rows),
        _ranged(subject, store, drawn[0]),
        max((_padded(subject, store, params) for params in drawn[:6]), key=lambda found: found[0])[1],
        _overlapping(subject, drawn),
        _sampled(subject, frames.spaced, drawn),
        _negatives(subject, store.scans),
    ]
    if frames.marked.any():
        found += [_rounded(subject, store, frames, drawn), _lesions(subject, store, drawn)]
    return found


def _stored(store: ScanSource, rows: np.ndarray) -> Finding:
    """I2: HU are stored as whole numbers over more than any window."""
    calibrated = [int(r) for r in rows if store.scans["unit"].iloc[r] == "HU"]
    spans = [float(np.ptp(store.array(row))) for row in calibrated]
    narrow = sum(span < 500 for span in spans)
    figure = f"{narrow} of {len(spans)} HU scans span less than 500 HU"
    return Finding("I2", figure, "0", narrow == 0, WHERE)


def _ranged(subject: Subject, store: ScanSource, params: ViewParams) -> Finding:
    data = subject.render(store, params.take(np.arange(min(12, len(params.rows)))))
    bad = float((~np.isfinite(data) | (data < -1e-5) | (data > 1 + 1e-5)).mean())
    return Finding("I12", f"{bad:.2%} of pixels outside", "0", bad == 0, WHERE)


def _padded(subject: Subject, store: ScanSource, params: ViewParams) -> tuple[float, Finding]:
    """I13: pixels beyond the scan, or where nothing was measured; the largest share, and the finding."""
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
    pictures = () if worst <= 0.01 else _pictures(subject, store, params, *at, "padding")
    return worst, Finding("I13", f"at most {worst:.2%} of a view", "<= 1 %", worst <= 0.01, WHERE, pictures)


def _pictures(
    subject: Subject, store: ScanSource, params: ViewParams, scan: int, view: int, what: str
) -> tuple[tuple[str, np.ndarray], ...]:
    """Return one view, titled; nothing where text about the patient may be burned in."""
    flags = store.scans["flags"] if "flags" in store.scans else pd.Series("", store.scans.index)
    if "BURNED_IN_RISK" in str(flags.iloc[int(params.rows[scan])]):
        return ()
    shown = subject.render(store, params.take(np.array([scan])))[0, view].mean(axis=0)
    return ((f"row {params.rows[scan]}, view {view + 1}: {what}", shown),)


def _overlapping(subject: Subject, drawn: list[ViewParams]) -> Finding:
    low, middle = np.percentile(np.concatenate([params.overlap for params in drawn]), [0, 50])
    least = subject.policy.crop.overlap
    return Finding(
        "I15", f"least {low:.2f}, median {middle:.2f}", f">= {least:.2f}", bool(low >= least), WHERE
    )


def _sampled(subject: Subject, spaced: np.ndarray, drawn: list[ViewParams]) -> Finding:
    """I19: at the audited size, the coarsest pixel of any view."""
    most = subject.policy.max_px_mm
    limit = f"<= {most:g} mm a pixel for {subject.policy.d_min_mm:g} mm"
    if not spaced.any():
        return Finding("I19", "spacing unknown: cannot be measured (SPACING_UNKNOWN)", limit, True, WHERE)
    pixels = np.concatenate([params.edge[spaced] for params in drawn]) / subject.size
    needed = int(np.ceil(pixels.max() * subject.size / most))
    figure = f"up to {pixels.max():.2g} mm at {subject.size} px; {needed} px or tiles would do"
    return Finding("I19", figure, limit, bool(pixels.max() <= most), WHERE)


def _negatives(subject: Subject, scans: pd.DataFrame) -> Finding:
    """I21: negatives of random batches of 64 that share patient or pixels, as far as either is known."""
    rng = np.random.Generator(np.random.Philox(key=21))
    batches = [rng.permutation(len(scans))[:64] for _ in range(20)]
    kin = spared = pairs = 0
    for batch in batches:
        truth = share_scan_or_patient(scans.iloc[batch]) & ~np.eye(len(batch), dtype=bool)
        kept = subject.related(scans.iloc[batch])
        kin, spared, pairs = kin + truth.sum(), spared + (truth & kept).sum(), pairs + truth.size - len(batch)
    flags = scans["flags"].fillna("") if "flags" in scans else pd.Series("", index=scans.index)
    nameless = int((flags.str.contains("PATIENT_UNKNOWN") & ~scans["patient"].duplicated(keep=False)).sum())
    figure = f"{(kin - spared) / max(pairs, 1):.2%} ({kin / max(pairs, 1):.2%} are related and set aside)"
    if nameless:
        figure += f"; PATIENT_UNKNOWN for {nameless} of {len(scans)} scans, which cannot be checked"
    return Finding("I21", figure, "0", bool(kin == spared), WHERE)


def _rounded(subject: Subject, store: ScanSource, frames: ScanGeometry, drawn: list[ViewParams]) -> Finding:
    """I9: of labeled tissue in the ball round an anchor that lies on it, what each view shows."""
    radius = subject.policy.crop.anchor * frames.fov
    least, pairs = 1.0, 0
    for params in drawn:
        for scan in np.flatnonzero(params.marked):
            mask = store.mask(int(params.rows[scan]))
            assert mask is not None
            for view in range(2):
                inside = view_plane(mask, params, int(scan), view) > 0
                kept = _kept_round(inside, frames, params, int(scan), view, float(radius[scan]))
                least, pairs = min(least, kept), pairs + 1
    figure = f"at least {least:.1%} of it in {pairs} views with a labeled anchor"
    return Finding("I9", figure, ">= 95 %", least >= 0.95, WHERE)


def _kept_round(
    inside: np.ndarray, frames: ScanGeometry, params: ViewParams, scan: int, view: int, radius: float
) -> float:
    """Return the share of the samples `inside`, within `radius` of the anchor, that a view shows."""
    where = np.argwhere(inside)
    order = np.argsort(frames.axes[scan])
    spacing = np.diag(frames.grid[scan])[order]
    anchor = anchor_voxels(frames.take(np.array([scan])), params.anchor[scan : scan + 1])[0]
    near = where[np.linalg.norm((where - anchor) * spacing, axis=1) <= radius]
    if not len(near):
        return 1.0
    matrix = params.matrix[scan, view]
    at = (near - matrix[:, -1]) @ np.linalg.inv(matrix[:, :-1]).T
    return float(((at >= -0.5) & (at <= params.size - 0.5)).all(axis=1).mean())


def _lesions(subject: Subject, store: ScanSource, drawn: list[ViewParams]) -> Finding:
    """I10: of pairs whose slices hold labeled tissue, how many keep `KEPT` of it in both, or in one view."""
    both = one = pairs = 0
    worst: tuple[tuple[str, np.ndarray], ...] = ()
    for params in drawn:
        for scan, masks in enumerate(view_masks(store, params)):
            kept = [] if masks is None else [_share_kept(store, params, scan, v, masks[v]) for v in range(2)]
            if len([share for share in kept if share is not None]) < 2:
                continue
            first, second = (share is not None and share >= KEPT for share in kept)
            pairs, both, one = pairs + 1, both + (first and second), one + (first != second)
            if first != second and len(worst) < 4:
                worst += _pictures(subject, store, params, scan, 0, "one view keeps the label")
                worst += _pictures(subject, store, params, scan, 1, "its partner")
    total, most = max(pairs, 1), subject.policy.crop.disagree
    figure = f"both views keep labeled tissue in {both / total:.1%}, exactly one in {one / total:.1%}"
    figure += f" of {pairs} pairs"
    return Finding("I10", figure, f"exactly one <= {most:.0%}", one / total <= most, WHERE, worst)


def _share_kept(
    store: ScanSource, params: ViewParams, scan: int, view: int, shown: np.ndarray
) -> float | None:
    """Return the share of the labeled area of a view's slice that it shows; None where there is none."""
    mask = store.mask(int(params.rows[scan]))
    there = 0 if mask is None else int((view_plane(mask, params, scan, view) > 0).sum())
    scale = float(np.abs(np.linalg.det(params.matrix[scan, view, :, : params.dims])))
    return float((shown > 0).sum()) * scale / there if there else None
