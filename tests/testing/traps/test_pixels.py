"""Stored values, scales and padding: every trap is read as it says."""

from __future__ import annotations

import pytest

from medcl.testing.traps import pixels
from tests.testing.traps.reading import check_order, check_trap, names


@pytest.mark.parametrize("name", names(pixels.TRAPS))
def test_a_trap_is_read_right_or_refused_with_its_reason(name: str) -> None:
    check_trap(name)


@pytest.mark.parametrize("name", names(pixels.TRAPS))
def test_order_of_files_changes_nothing(name: str) -> None:
    check_order(name)
