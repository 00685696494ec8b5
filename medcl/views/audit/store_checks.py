"""Invariants on a store's own scans: I2, I10, I12, I13, I15, I19 and I21."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.views.audit.findings import Finding
from medcl.views.audit.subject import SEED, Subject
from medcl.views.frames import ScanSource, read_frames
from medcl.views.masks import pixel_positions, view_masks, view_plane
from medcl.views.params import ViewParams

SCANS = 48
"""Most scans of a store that an audit looks at, evenly spread over it."""
EPOCHS = 4
WHERE = "store"


def check_store(subject: Subject, store: ScanSource) -> list[Finding]:
    """Hold the policy's views of up to `SCANS` scans against the invariants that need no phantom."""
    total = len(store.scans)
    rows = np.unique(np.linspace(0, total - 1, min(total, SCANS)).astype(int))
    frames = read_frames(store, rows)
    drawn = [subject.draw(subject.policy, frames, SEED, epoch) for epoch in range(EPOCHS)]
    found = [
        _stored(store, rows),
        _ranged(subject, store, drawn[0]),
        _padded(drawn),
        _overlapping(subject, drawn),
        _sampled(subject, frames.spaced, drawn),
        _negatives(store.scans),
    ]
    if any(store.mask(int(row)) is not None for row in rows):
        found.append(_lesions(store, drawn))
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


def _padded(drawn: list[ViewParams]) -> Finding:
    worst = 0.0
    for params in drawn[:1]:
        for scan, view in np.ndindex(params.shape):
            at = pixel_positions(params, scan, view)
            worst = max(worst, float(((at < -0.5) | (at > params.count[scan] - 0.5)).any(-1).mean()))
    return Finding("I13", f"at most {worst:.2%} of a view", "<= 1 %", worst <= 0.01, WHERE)


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


def _negatives(scans: pd.DataFrame) -> Finding:
    """I21: how many negatives of a random batch of 64 are of one patient; methods mask them by number."""
    patients = scans["patient"].to_numpy()
    sizes = pd.Series(patients).value_counts().to_numpy(float)
    share = float((sizes * (sizes - 1)).sum() / max(len(patients) * (len(patients) - 1), 1))
    figure = f"{share:.2%} of negatives are of the same patient, all of known patient"
    known = bool(scans["patient"].notna().all())
    return Finding("I21", figure, "patient known, so that none counts", known, WHERE)


def _lesions(store: ScanSource, drawn: list[ViewParams]) -> Finding:
    """I10: of slices with labelled tissue, how often exactly one view keeps at least a tenth of it."""
    both = one = 0
    for params in drawn:
        for scan, masks in enumerate(view_masks(store, params)):
            mask = store.mask(int(params.rows[scan]))
            if masks is None or mask is None:
                continue
            kept = []
            for view in range(2):
                plane = view_plane(mask, params, scan, view) > 0
                scale = np.abs(np.linalg.det(params.matrix[scan, view, :, : params.dims]))
                kept.append(plane.sum() == 0 or (masks[view] > 0).sum() * scale >= 0.1 * plane.sum())
            any_there = any(view_plane(mask, params, scan, v).any() for v in range(2))
            both += any_there and all(kept)
            one += any_there and kept[0] != kept[1]
    total = max(both + one, 1)
    figure = (
        f"both views keep labelled tissue {both / total:.1%}, exactly one {one / total:.1%} ({total} pairs)"
    )
    return Finding("I10", figure, "exactly one <= 10 %", one / total <= 0.1, WHERE)
