"""Bytes of ring collectives."""

from __future__ import annotations

import pytest

from medcl.pretrain.methods.method_cost import all_gather_bytes, all_reduce_bytes


@pytest.mark.parametrize(
    ("processes", "reduced", "gathered"), [(1, 0, 0), (2, 1000, 500), (4, 1500, 750), (1000, 1998, 999)]
)
def test_each_process_sends_its_share_of_the_ring(processes: int, reduced: int, gathered: int) -> None:
    assert all_reduce_bytes(1000, processes) == reduced
    assert all_gather_bytes(1000, processes) == gathered
