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


def contents(bank: MemoryBank) -> list[int]:
    """Return what the bank holds, oldest first."""
    order = (torch.arange(len(bank)) + bank.position) % len(bank)
    held = order[~bank.empty[order]]
    assert torch.equal(bank.entries[held, 0].long(), bank.identity[held, 0])
    assert torch.equal(bank.identity[held, 0] + 1000, bank.identity[held, 1])
    return bank.identity[held, 0].tolist()


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.lists(st.integers(0, 20), max_size=8))
def test_bank_holds_exactly_the_last_entries_in_order(length: int, batches: list[int]) -> None:
    bank, written = MemoryBank(length, 1), 0
    for count in batches:
        bank.push(*numbered(written, count))
        written += count
        assert contents(bank) == list(range(max(0, written - length), written))
        assert bank.full == (written >= length)


def test_held_entries_join_only_when_the_step_is_over() -> None:
    bank = MemoryBank(4, 1)
    bank.stage(*numbered(0, 2))
    bank.stage(*numbered(2, 1))
    assert contents(bank) == []
    bank.commit()
    assert contents(bank) == [0, 1, 2]
    bank.commit()
    assert contents(bank) == [0, 1, 2]


def test_the_whole_ring_is_in_the_state_dict() -> None:
    bank = MemoryBank(5, 1)
    bank.push(*numbered(0, 7))
    restored = MemoryBank(5, 1)
    restored.load_state_dict({key: value.clone() for key, value in bank.state_dict().items()})
    for each in (bank, restored):
        each.push(*numbered(7, 2))
    assert contents(restored) == contents(bank) == [4, 5, 6, 7, 8]


def test_entries_carry_no_gradient_and_are_float32() -> None:
    bank = MemoryBank(3, 2)
    bank.stage(
        torch.ones(2, 2, dtype=torch.bfloat16, requires_grad=True), torch.zeros(2, 2, dtype=torch.long)
    )
    bank.commit()
    assert not bank.entries.requires_grad
    assert bank.entries.dtype == torch.float32
