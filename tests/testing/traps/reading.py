"""Reading a trap of DICOM: right, held back, or refused with its reason; nothing is silently wrong."""

from __future__ import annotations

import random
from collections import Counter
from functools import cache

import numpy as np
import pytest

from medcl.archive import Scan
from medcl.archive.flags import held_back
from medcl.testing import phantom
from medcl.testing.traps import dicom_traps
from medcl.testing.traps.base import ExpectedImage, Trap, TrapCollection
from tests.archive.dicom.samples import Read

TRAPS = {trap.name: trap for trap in dicom_traps()}


def names(collection: TrapCollection) -> list[str]:
    """Return the names of the traps of one module."""
    return [trap.name for trap in collection.traps]


@cache
def built(name: str) -> dict[str, bytes]:
    return TRAPS[name].build()


@cache
def in_order(name: str) -> Read:
    return Read(built(name), sorted(built(name)))


def error_of(scan: Scan, truth: object, trap: Trap) -> float:
    """Return by how much a scan misses a truth, relative to what is allowed (at most 1 passes)."""
    if isinstance(truth, ExpectedImage):
        same = scan.array.shape == truth.array.shape and scan.affine is None
        if not same or (scan.spacing_mm is None) != (truth.spacing_mm is None):
            return np.inf
        if truth.spacing_mm is not None and not np.allclose(scan.spacing_mm or (), truth.spacing_mm):
            return np.inf
        miss = np.abs(scan.array.astype(float) - truth.array).max()
        return float(miss / truth.tolerance) if truth.tolerance else float(2 * miss)
    if scan.affine is None:
        return np.inf
    assert callable(truth)
    allowed = trap.tolerance
    error = phantom.deviation(scan.array, scan.affine, truth, scan.valid).largest / allowed
    if scan.valid is not None and "GAP" in scan.flags:
        filled = np.broadcast_to(~scan.valid.any(axis=(0, 1)), scan.array.shape)
        error = max(error, phantom.deviation(scan.array, scan.affine, truth, filled).largest / trap.between)
    return error


def check_trap(name: str) -> None:
    """Check that what is read of a trap is what the trap says."""
    trap, files = TRAPS[name], built(name)
    read = in_order(name)
    assert trap.flags <= read.flags
    assert trap.reasons <= set(read.reasons.values())
    used = {file for names in read.names for file in names}
    assert len(files) == len(used) + len(read.reasons)
    assert len(read.reasons) == trap.unused
    held = [held_back({*a.flags, *b.flags}, "default") for a, b in zip(read.stacks, read.scans, strict=True)]
    if trap.outcome == "refused":
        assert not read.stacks
        return
    assert all(held) if trap.outcome == "held" else not any(held)
    for truth in trap.truths:
        errors = [error_of(scan, truth, trap) for scan in read.scans]
        right = [scan for scan, error in zip(read.scans, errors, strict=True) if error <= 1]
        assert any(scan.unit == trap.unit for scan in right), errors
    for scan, stack in zip(read.scans, read.stacks, strict=True):
        assert scan.array.shape == stack.shape or name == "gray-as-rgb"
        assert scan.unit == stack.unit or "UNCALIBRATED" in scan.flags
        assert scan.spacing_mm == pytest.approx(stack.spacing_mm)


def check_order(name: str) -> None:
    """Check that the order of a trap's files changes nothing."""
    files = built(name)
    order = sorted(files)
    first = in_order(name)
    random.Random(7).shuffle(order)
    second = Read(files, order)
    assert [stack.stack_key for stack in first.stacks] == [stack.stack_key for stack in second.stacks]
    assert Counter(first.reasons.values()) == Counter(second.reasons.values())
    for one, two in zip(first.scans, second.scans, strict=True):
        assert one.array.dtype == two.array.dtype
        np.testing.assert_array_equal(one.array, two.array)
        assert one.flags == two.flags
        assert (one.affine is None) == (two.affine is None)
        if one.affine is not None:
            np.testing.assert_array_equal(one.affine, two.affine)
