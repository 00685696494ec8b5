"""A memory bank of past embeddings: a ring buffer that takes any number of entries and is checkpointed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from medcl.pretrain.distributed import gather


class MemoryBank(nn.Module):
    """The last K entries of all processes, with the scan and patient that each came from.

    Entries are staged during a step and written after it, so that a loss never meets the keys of its own
    step. All processes hold the same bank. Its buffers are persistent, fill count and position included;
    staged entries are not, so checkpoints belong between steps.

    Args:
        length: Number K of entries.
        *shape: Shape of an entry.

    Attributes:
        entries: (K, *shape) float32; slots that were never filled are zero.
        identity: (K, 2) int64, scan and patient; -1 in slots that were never filled.
        position: The slot that is written next.
        count: Number of entries ever written.
    """

    entries: Tensor
    identity: Tensor
    position: Tensor
    count: Tensor

    def __init__(self, length: int, *shape: int) -> None:
        super().__init__()
        self.register_buffer("entries", torch.zeros(length, *shape))
        self.register_buffer("identity", torch.full((length, 2), -1))
        self.register_buffer("position", torch.tensor(0))
        self.register_buffer("count", torch.tensor(0))
        self._staged: list[tuple[Tensor, Tensor]] = []
        self._full = False

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def empty(self) -> Tensor:
        """(K,) bool: the slots that were never filled."""
        return torch.arange(len(self), device=self.count.device) >= self.count

    @property
    def full(self) -> bool:
        """Whether every slot has been filled, counted over the whole run."""
        # Reading the count makes a GPU wait; a bank that is full stays so.
        self._full = self._full or int(self.count) >= len(self)
        return self._full

    def _load_from_state_dict(self, *args: Any, **options: Any) -> None:
        """Take over the buffers, and look again whether they are full."""
        super()._load_from_state_dict(*args, **options)
        self._full = False

    def stage(self, entries: Tensor, identity: Tensor) -> None:
        """Hold this process's entries (B, *shape) and identities (B, 2) until `commit`."""
        self._staged.append((entries.detach(), identity))

    def commit(self) -> None:
        """Write the staged entries of all processes, in rank order, over the oldest ones."""
        for entries, identity in self._staged:
            self.push(gather(entries), gather(identity))
        self._staged.clear()

    @torch.no_grad()
    def push(self, entries: Tensor, identity: Tensor) -> None:
        """Write (B, *shape) entries at once; of more than K the last K stay."""
        written = len(entries)
        slots = (self.position + torch.arange(written, device=self.position.device)) % len(self)
        last = slice(max(0, written - len(self)), None)
        self.entries[slots[last]] = entries[last].to(self.entries.dtype)
        self.identity[slots[last]] = identity[last]
        self.position.copy_((self.position + written) % len(self))
        self.count += written
