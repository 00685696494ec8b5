"""Every trap of NIfTI, from file to scan: right, held back, or refused with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.archive import ArchiveError, Catalog, Scan, read_all, scan_archive
from medcl.archive.flags import GEOMETRY, severity
from medcl.testing import phantom
from medcl.testing.traps import nifti_traps
from medcl.testing.traps.base import Trap
from tests.archive.samples import image_bytes

TRAPS = {trap.name: trap for trap in nifti_traps()}


def scanned(trap: Trap, folder: Path, accept: str) -> tuple[Catalog, list[Scan], list[ArchiveError]]:
    """Scan a trap's files beside an image, so that there is a catalog when they are all refused."""
    archive = folder / "archive"
    if not archive.exists():
        archive.mkdir()
        for name, content in {"p.png": image_bytes(), **trap.build()}.items():
            (archive / name).write_bytes(content)
    catalog = scan_archive([archive], folder / accept, accept)
    results = [scan for name, scan in read_all(catalog) if catalog.row(name)["source"] == "nifti"]
    scans = [scan for scan in results if isinstance(scan, Scan)]
    return catalog, scans, [error for error in results if isinstance(error, ArchiveError)]


def misses(scan: Scan, truth: object) -> float:
    assert callable(truth)
    assert scan.affine is not None
    array = scan.array[..., 0] if scan.array.ndim == 4 else scan.array
    return phantom.deviation(array, scan.affine, truth, scan.valid).largest


@pytest.mark.parametrize("name", TRAPS)
def test_trap(name: str, tmp_path: Path) -> None:
    trap = TRAPS[name]
    catalog, scans, errors = scanned(trap, tmp_path, "lenient")
    assert not errors or trap.outcome == "refused"  # a checksum is only checked when voxels are read
    assert trap.flags <= {flag for scan in scans for flag in scan.flags}
    assert trap.reasons == set(catalog.summary()["reasons"])
    assert catalog.summary()["quarantined"] == trap.unused
    assert len(scans) == (0 if trap.outcome == "refused" else len(trap.truths))
    assert all(scan.unit == trap.unit for scan in scans)
    for truth in trap.truths:
        errors_hu = [misses(scan, truth) for scan in scans]
        assert sum(error <= trap.tolerance for error in errors_hu) == 1, errors_hu


@pytest.mark.parametrize("name", TRAPS)
def test_accept_holds_back_what_it_should(name: str, tmp_path: Path) -> None:
    trap = TRAPS[name]
    used = {accept: len(scanned(trap, tmp_path, accept)[1]) for accept in ("strict", "default", "lenient")}
    whole = 0 if trap.outcome == "refused" else len(trap.truths)
    geometry = any(severity(flag) is GEOMETRY for flag in trap.flags)
    assert used["lenient"] == whole
    assert used["default"] == (0 if trap.outcome == "held" else whole)
    assert used["strict"] == (0 if trap.outcome == "held" or geometry else whole)


def test_all_rows_of_the_table_are_there() -> None:
    assert len(TRAPS) >= 26
