"""A memory of past embeddings: a true ring that takes any number of entries and is part of the checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medcl.pretrain.distributed.collectives import gather


class MemoryBank(nn.Module):
    """The last K entries of all processes, with the scan and patient that each came from.

    Entries are held during a step and join after it, so that a loss never meets the keys of its own step.
    All processes hold the same ring. Its buffers are persistent, fill count and position included; what is
    held is not, so checkpoints belong between steps.

    Attributes:
        entries: (K, *shape) float32; slots that were never filled are zero.
        identity: (K, 2) int64, scan and patient; -1 in slots that were never filled.
        position: the slot that is written next.
        count: entries ever written.
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
        self._held: list[tuple[Tensor, Tensor]] = []

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def empty(self) -> Tensor:
        """(K,) bool: the slots that were never filled."""
        return torch.arange(len(self), device=self.count.device) >= self.count

    @property
    def full(self) -> bool:
        """Whether every slot has been filled, counted over the whole run."""
        return int(self.count) >= len(self)

    def hold(self, entries: Tensor, identity: Tensor) -> None:
        """Keep this process's entries (B, *shape) and identities (B, 2) until `advance`."""
        self._held.append((entries.detach(), identity))

    def advance(self) -> None:
        """Write what all processes held, in rank order; the oldest entries leave."""
        for entries, identity in self._held:
            self.push(gather(entries), gather(identity))
        self._held.clear()

    @torch.no_grad()
    def push(self, entries: Tensor, identity: Tensor) -> None:
        """Write (B, *shape) entries at once; of more than K the last K stay."""
        written = len(entries)
        slots = (self.position + torch.arange(written, device=self.position.device)) % len(self)
        kept = slice(max(0, written - len(self)), None)
        self.entries[slots[kept]] = entries[kept].to(self.entries.dtype)
        self.identity[slots[kept]] = identity[kept]
        self.position.copy_((self.position + written) % len(self))
        self.count += written
