"""The audit: is what views show still true of the patient? Measured, invariant by invariant."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from medcl.views.audit import geometry_checks as geometry
from medcl.views.audit import look_checks as look
from medcl.views.audit.findings import NAMES, Finding
from medcl.views.audit.geometry_checks import Measured
from medcl.views.audit.phantoms import CANARY, World, worlds
from medcl.views.audit.report import AuditReport
from medcl.views.audit.store_checks import check_store
from medcl.views.audit.subject import Subject
from medcl.views.policy import Policy
from medcl.views.sampling.scan_geometry import ScanSource

__all__ = ["AuditReport", "Finding", "Subject", "audit", "audit_policy", "check_private"]

_GEOMETRY: dict[str, Callable[[Measured], Finding]] = {
    "I5": geometry.check_rigid,
    "I6": geometry.check_strain,
    "I7": geometry.check_affine,
    "I8": geometry.check_mask,
    "I9": geometry.check_anchor,
    "I10": geometry.check_lesions,
    "I13": geometry.check_padding,
    "I15": geometry.check_overlap,
    "I20": geometry.check_inverse,
}
_LOOK: dict[str, Callable[[Subject, World], Finding]] = {
    "I1": look.check_calibration,
    "I2": look.check_untouched,
    "I11": look.check_contrast,
    "I12": look.check_range,
    "I14": look.check_leakage,
    "I16": look.check_determinism,
    "I17": look.check_diversity,
    "I18": look.check_backends,
    "I19": look.check_sampling,
    "I21": look.check_negatives,
}
_ORDER = list(NAMES)


def audit_policy(policy: Policy, store: ScanSource | None = None, size: int = 224) -> AuditReport:
    """Measure every invariant of a policy on phantoms, and on a store's own scans when given.

    Args:
        policy: the limits.
        store: whose scans, masks and metadata are looked at too.
        size: edge of the store's views in pixels.
    """
    findings = list(audit(Subject(policy)).findings)
    if store is not None:
        findings += check_store(Subject(policy, size), store)
    report = AuditReport(policy, tuple(sorted(findings, key=lambda one: _ORDER.index(one.id))))
    return AuditReport(policy, (*report.findings, check_private(report)))


def audit(
    subject: Subject, only: Collection[str] | None = None, on: Collection[str] | None = None
) -> AuditReport:
    """Measure a subject on phantoms: invariants `only` (all), worlds `on` (all of its modality)."""
    findings: list[Finding] = []
    for world in worlds(subject.policy):
        if on is None or world.name in on:
            findings += _in_world(subject, world, set(NAMES if only is None else only))
    return AuditReport(subject.policy, tuple(sorted(findings, key=lambda one: _ORDER.index(one.id))))


def _in_world(subject: Subject, world: World, only: set[str]) -> list[Finding]:
    small = replace(subject, size=24) if world.dims == 3 else subject
    found = []
    if only & {"I3", "I4", *_GEOMETRY}:
        measured = Measured.of(small, world)
        found += [one for one in geometry.check_sides(measured) if one.id in only]
        found += [check(measured) for name, check in _GEOMETRY.items() if name in only]
    # Discs of the smallest protected size are finer than 3-D phantoms are shown.
    names = [name for name in _LOOK if name in only and not (name == "I11" and world.dims == 3)]
    return found + [_LOOK[name](small, world) for name in names]


def check_private(report: AuditReport) -> Finding:
    """I22: what stands in place of a patient in the phantoms appears in nothing that is written."""
    leaked = CANARY in report.page() or CANARY in str(report.facts())
    return Finding("I22", "canary found" if leaked else "canary not found", "not in any output", not leaked)
