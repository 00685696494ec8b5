"""The audit: is what views show still true of the patient? Each invariant is measured."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from medcl.views.audit import geometry_checks, intensity_checks
from medcl.views.audit.check_results import NAMES, CheckResult
from medcl.views.audit.geometry_checks import MeasuredGeometry
from medcl.views.audit.phantoms import CANARY, PhantomGrid, phantom_grids
from medcl.views.audit.report import AuditReport
from medcl.views.audit.store_checks import check_store
from medcl.views.audit.view_pipeline import ViewPipeline
from medcl.views.policy import Policy
from medcl.views.sampling.scan_geometry import ScanSource

__all__ = ["AuditReport", "CheckResult", "ViewPipeline", "audit", "audit_policy", "check_private"]

_GEOMETRY: dict[str, Callable[[MeasuredGeometry], CheckResult]] = {
    "I5": geometry_checks.check_rigid,
    "I6": geometry_checks.check_strain,
    "I7": geometry_checks.check_affine,
    "I8": geometry_checks.check_mask,
    "I9": geometry_checks.check_anchor,
    "I10": geometry_checks.check_lesions,
    "I13": geometry_checks.check_padding,
    "I15": geometry_checks.check_overlap,
    "I20": geometry_checks.check_inverse,
}
_INTENSITY: dict[str, Callable[[ViewPipeline, PhantomGrid], CheckResult]] = {
    "I1": intensity_checks.check_calibration,
    "I2": intensity_checks.check_untouched,
    "I11": intensity_checks.check_contrast,
    "I12": intensity_checks.check_range,
    "I14": intensity_checks.check_leakage,
    "I16": intensity_checks.check_determinism,
    "I17": intensity_checks.check_diversity,
    "I18": intensity_checks.check_backends,
    "I19": intensity_checks.check_sampling,
    "I21": intensity_checks.check_negatives,
}
_ORDER = list(NAMES)


def audit_policy(policy: Policy, store: ScanSource | None = None, size: int = 224) -> AuditReport:
    """Measure every invariant of a policy on phantoms, and on a store's own scans when given.

    Args:
        policy: The limits.
        store: A store whose scans, masks and metadata are checked, too.
        size: Edge of the store's views in pixels.
    """
    results = list(audit(ViewPipeline(policy)).results)
    if store is not None:
        results += check_store(ViewPipeline(policy, size), store)
    report = AuditReport(policy, tuple(sorted(results, key=lambda one: _ORDER.index(one.id))))
    return AuditReport(policy, (*report.results, check_private(report)))


def audit(
    pipeline: ViewPipeline, only: Collection[str] | None = None, on: Collection[str] | None = None
) -> AuditReport:
    """Measure a pipeline on phantoms.

    Args:
        pipeline: What draws and renders the views.
        only: Invariants to check, by default all.
        on: Names of the grids to check them on, by default all of the policy's modality.
    """
    results: list[CheckResult] = []
    for grid in phantom_grids(pipeline.policy):
        if on is None or grid.name in on:
            results += _on_grid(pipeline, grid, set(NAMES if only is None else only))
    return AuditReport(pipeline.policy, tuple(sorted(results, key=lambda one: _ORDER.index(one.id))))


def _on_grid(pipeline: ViewPipeline, grid: PhantomGrid, only: set[str]) -> list[CheckResult]:
    small = replace(pipeline, size=24) if grid.dims == 3 else pipeline
    results = []
    if only & {"I3", "I4", *_GEOMETRY}:
        measured = MeasuredGeometry.of(small, grid)
        results += [one for one in geometry_checks.check_sides(measured) if one.id in only]
        results += [check(measured) for name, check in _GEOMETRY.items() if name in only]
    # Discs of the smallest protected size are finer than 3-D phantoms are shown.
    names = [name for name in _INTENSITY if name in only and not (name == "I11" and grid.dims == 3)]
    return results + [_INTENSITY[name](small, grid) for name in names]


def check_private(report: AuditReport) -> CheckResult:
    """I22: the name that stands for a patient in the phantoms is in no output."""
    leaked = CANARY in report.page() or CANARY in str(report.record())
    return CheckResult(
        "I22", "canary found" if leaked else "canary not found", "not in any output", not leaked
    )
