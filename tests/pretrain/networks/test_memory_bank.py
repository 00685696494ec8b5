"""The memory bank against a list, whatever the sizes."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.pretrain.networks.memory_bank import MemoryBank

torch.set_num_threads(1)


def numbered(first: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.arange(first, first + count)
    return numbers[:, None].float(), torch.stack([numbers, numbers + 1000], dim=1)


def contents(ring: MemoryBank) -> list[int]:
    """Return what the ring holds, oldest first."""
    order = (torch.arange(len(ring)) + ring.position) % len(ring)
    held = order[~ring.empty[order]]
    assert torch.equal(ring.entries[held, 0].long(), ring.identity[held, 0])
    assert torch.equal(ring.identity[held, 0] + 1000, ring.identity[held, 1])
    return ring.identity[held, 0].tolist()


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.lists(st.integers(0, 20), max_size=8))
def test_ring_holds_exactly_the_last_entries_in_order(length: int, batches: list[int]) -> None:
    ring, written = MemoryBank(length, 1), 0
    for count in batches:
        ring.push(*numbered(written, count))
        written += count
        assert contents(ring) == list(range(max(0, written - length), written))
        assert ring.full == (written >= length)


def test_held_entries_join_only_when_the_step_is_over() -> None:
    ring = MemoryBank(4, 1)
    ring.stage(*numbered(0, 2))
    ring.stage(*numbered(2, 1))
    assert contents(ring) == []
    ring.commit()
    assert contents(ring) == [0, 1, 2]
    ring.commit()
    assert contents(ring) == [0, 1, 2]


def test_the_whole_ring_is_in_the_state_dict() -> None:
    ring = MemoryBank(5, 1)
    ring.push(*numbered(0, 7))
    restored = MemoryBank(5, 1)
    restored.load_state_dict({key: value.clone() for key, value in ring.state_dict().items()})
    for each in (ring, restored):
        each.push(*numbered(7, 2))
    assert contents(restored) == contents(ring) == [4, 5, 6, 7, 8]


def test_entries_carry_no_gradient_and_are_float32() -> None:
    ring = MemoryBank(3, 2)
    ring.stage(
        torch.ones(2, 2, dtype=torch.bfloat16, requires_grad=True), torch.zeros(2, 2, dtype=torch.long)
    )
    ring.commit()
    assert not ring.entries.requires_grad
    assert ring.entries.dtype == torch.float32
