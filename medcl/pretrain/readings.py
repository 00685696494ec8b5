"""Reading what steps computed from their device, without holding the device up.

Reading a value makes the host wait for the device, and the device then waits for the host's next step. So
beside a GPU the values of several steps are copied together, and read when the next ones are copied.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from medcl.pretrain.distributed.collectives import gather

GROUP = 16
"""Steps that are read together beside a GPU."""

SLOW_STEP_S = 0.1
"""Longer steps are read one by one: waiting costs them nothing, and a request to stop is seen sooner."""


@dataclass(frozen=True)
class StepRecord:
    """What the host knows of a step.

    Attributes:
        step: Its number, from 1.
        epoch: Epochs that were completed before it.
        lr: Learning rate.
        wait_s: Seconds spent waiting for its views.
        seconds: Seconds of the run so far.
        rows: (B,) rows of the store that this process showed.
    """

    step: int
    epoch: int
    lr: float
    wait_s: float
    seconds: float
    rows: Tensor


class Reading(NamedTuple):
    """A step, and what all processes computed in it.

    Attributes:
        record: What the host knows of the step.
        values: Means over processes.
        requests: Names of the requests that any process made.
    """

    record: StepRecord
    values: dict[str, float]
    requests: set[str]


class _Copy(NamedTuple):
    """Values of a group of steps on their way to the host; `done` is None when they are there."""

    records: list[StepRecord]
    values: Tensor
    done: torch.cuda.Event | None


class Readings:
    """Values of the latest steps, averaged over processes and read in groups.

    On a CPU every step is read at once. All processes must call the same methods after the same steps: they
    exchange the values of a group when it is complete.

    Args:
        device: Device of the values.
        group: Steps that are read together; by default 1, or `GROUP` on a GPU.
        lag: Complete groups that stay unread, so that the host runs ahead; by default none, or 1 on a GPU.
    """

    def __init__(self, device: torch.device, group: int | None = None, lag: int | None = None) -> None:
        on_gpu = device.type == "cuda"
        self._device, self._most = device, group or (GROUP if on_gpu else 1)
        self._lag = int(on_gpu) if lag is None else lag
        self._size, self._begun = 1, time.monotonic()
        self._names: list[str] = []
        self._request_names: list[str] = []
        self._open: list[tuple[StepRecord, Tensor]] = []
        self._copies: deque[_Copy] = deque()

    def add(
        self, record: StepRecord, values: Mapping[str, Tensor], requests: Mapping[str, bool]
    ) -> list[Reading]:
        """Take the values of a step, and return the readings of the steps that are due.

        Args:
            record: What the host knows of the step.
            values: Scalars on the device; the same names in every step.
            requests: What this process asks all of them to do.
        """
        self._names, self._request_names = list(values), list(requests)
        # Filling a tensor on the device does not make the host wait, as copying a number there does.
        flags = [torch.full((), float(flag), device=self._device) for flag in requests.values()]
        scalars = [value.detach().double() for value in (*values.values(), *flags)]
        self._open.append((record, torch.stack(scalars)))
        if len(self._open) < self._size:
            return []
        self._copy()
        return self._read(self._lag)

    def drain(self) -> list[Reading]:
        """Return the readings of all steps that were not read, waiting for the device."""
        if self._open:
            self._copy()
        return self._read(0)

    def _copy(self) -> None:
        """Begin to copy the complete group, with a last column: whether its steps were slow."""
        now, records = time.monotonic(), [record for record, _ in self._open]
        slow = float(now - self._begun > SLOW_STEP_S * len(records))
        rows = torch.stack([values for _, values in self._open])
        flag = torch.full((len(rows), 1), slow, dtype=rows.dtype, device=self._device)
        means = gather(torch.cat([rows, flag], dim=1)[None]).mean(0)
        values, done = means, None
        if means.is_cuda:
            values = means.to("cpu", non_blocking=True)  # into pinned memory
            done = torch.cuda.Event(blocking=True)
            done.record()
        self._copies.append(_Copy(records, values, done))
        self._open, self._begun = [], now

    def _read(self, left: int) -> list[Reading]:
        """Return the readings of all groups but the last `left`."""
        readings = []
        while len(self._copies) > left:
            records, values, done = self._copies.popleft()
            if done is not None:
                done.synchronize()
            for record, numbers in zip(records, values.tolist(), strict=True):
                readings.append(self._reading(record, numbers))
            self._size = 1 if values[-1, -1] > 0 else self._most
        return readings

    def _reading(self, record: StepRecord, numbers: list[float]) -> Reading:
        count = len(self._names)
        requests = {name for name, n in zip(self._request_names, numbers[count:-1], strict=True) if n > 0}
        return Reading(record, dict(zip(self._names, numbers[:count], strict=True)), requests)
