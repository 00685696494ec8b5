"""Memory for batches that is used again and again: no batch waits for the system to find it some."""

from __future__ import annotations

import weakref

import numpy as np
import torch
from torch import Tensor


class Buffers:
    """Hands out tensors; their memory is handed out again once nothing refers to it any more.

    Beside a GPU it is pinned, and PyTorch's own pool of pinned memory does the same: it also accounts for
    copies that are still under way.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[np.ndarray]] = {}

    def take(self, shape: tuple[int, ...]) -> Tensor:
        """Return an uninitialized float32 tensor of `shape`."""
        if torch.cuda.is_available():
            return torch.empty(shape, pin_memory=True)
        free = self._free.setdefault(shape, [])
        memory = free.pop() if free else np.empty(shape, np.float32)
        # The tensor's storage alone keeps `lease` alive, and every view of the tensor, in PyTorch or NumPy,
        # keeps the storage alive. So the memory returns when the last of them is gone.
        lease = memory.view()
        weakref.finalize(lease, free.append, memory).atexit = False
        return torch.from_numpy(lease)
