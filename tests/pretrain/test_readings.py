"""Values of steps are read in groups, in order, and none is lost."""

from __future__ import annotations

import pytest
import torch

from medcl.pretrain import readings as module
from medcl.pretrain.readings import Reading, Readings, StepRecord

CPU = torch.device("cpu")


def record(step: int) -> StepRecord:
    return StepRecord(step, 0, 0.1, 0.0, float(step), torch.tensor([step]))


def add(readings: Readings, step: int, due: bool = False) -> list[Reading]:
    values = {"loss": torch.tensor(step / 3, requires_grad=True), "norm": torch.tensor(2.0 * step)}
    return readings.add(record(step), values, {"due": due, "stop": False})


def steps(readings: list[Reading]) -> list[int]:
    return [reading.record.step for reading in readings]


def test_a_cpu_reads_each_step_at_once() -> None:
    readings = Readings(CPU)
    for step in range(1, 40):
        (reading,) = add(readings, step, due=step == 7)
        assert reading.record.step == step
        assert reading.values == {"loss": float(torch.tensor(step / 3)), "norm": 2.0 * step}
        assert reading.requests == ({"due"} if step == 7 else set())
    assert readings.drain() == []


def test_groups_are_read_one_group_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_STEP_S", 60)
    readings = Readings(CPU, group=4, lag=1)
    # The first steps are groups of their own, until one was read and found fast.
    read = [steps(add(readings, step, due=step == 8)) for step in range(1, 16)]
    assert [group for group in read if group] == [[1], [2], [3, 4, 5, 6], [7, 8, 9, 10]]
    assert [len(group) for group in read].index(4) + 1 == 10
    rest = readings.drain()
    assert steps(rest) == [11, 12, 13, 14, 15]
    assert rest[0].values["norm"] == 22.0


def test_a_request_arrives_with_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_STEP_S", 60)
    readings = Readings(CPU, group=4, lag=1)
    requests = {}
    for step in range(1, 30):
        for reading in add(readings, step, due=step in (8, 9)):
            requests[reading.record.step] = reading.requests
    assert [step for step, names in requests.items() if names] == [8, 9]


def test_slow_steps_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_STEP_S", 0.0)
    readings = Readings(CPU, group=4, lag=1)
    assert [steps(add(readings, step)) for step in range(1, 6)] == [[], [1], [2], [3], [4]]
