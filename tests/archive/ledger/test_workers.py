"""Decoders and workers that die or hang cost one file and never the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from medcl.archive import scan_archive
from medcl.archive.ledger import workers
from medcl.archive.ledger.examine import examine_all
from medcl.archive.storage.walk import Entry, check_roots, walk
from medcl.processes import BrokenProcessPool
from tests.archive.samples import image_bytes
from tests.killable import pools_of_the_server, started


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    (tmp_path / "archive").mkdir()
    for number in range(40):
        (tmp_path / "archive" / f"p{number:02d}.png").write_bytes(image_bytes(number))
    return list(walk(check_roots([tmp_path / "archive"])))


def batches(entries: list[Entry], size: int = 4) -> list[list[Entry]]:
    return [entries[start : start + size] for start in range(0, len(entries), size)]


def test_a_killed_worker_loses_no_file(entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    pools_of_the_server(monkeypatch)
    monkeypatch.setattr(workers, "BATCHES_PER_WORKER", 1)  # each that is under way takes a process of its own
    examined = workers.examine_in_processes(iter(batches(entries)), 2)
    outcomes = [next(examined)]
    started()[-1].kill()
    outcomes += examined
    assert outcomes == examine_all(entries)


def test_a_file_that_kills_its_reader_is_named_and_the_others_are_kept(
    entries: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = entries[13].path

    class Pool:
        """A pool in this process that breaks as one of processes does."""

        def __init__(self, workers: int) -> None:
            self.broken = False

        def __enter__(self) -> Pool:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def submit(self, work: object, batch: list[Entry]) -> workers.Future[object]:
            self.broken = self.broken or any(entry.path == killer for entry in batch)
            if self.broken:
                raise BrokenProcessPool
            future: workers.Future[object] = workers.Future()
            future.set_result(examine_all(batch))
            return future

    monkeypatch.setattr(workers, "worker_pool", Pool)
    outcomes = list(workers.examine_in_processes(iter(batches(entries)), 2))
    expected = examine_all(entries)
    assert [outcome.code for (outcome,) in outcomes] == ["CRASHED" if n == 13 else "" for n in range(40)]
    assert outcomes[:13] + outcomes[14:] == expected[:13] + expected[14:]


def test_workers_give_what_one_process_gives(
    tmp_path: Path, entries: list[Entry], private_home: Path
) -> None:
    archive = tmp_path / "archive"
    for number in range(300):
        (archive / f"q{number}.png").write_bytes(image_bytes(number % 7, size=5))
    alone = scan_archive([archive], tmp_path / "alone")
    for stored in private_home.glob("index/*/*"):
        stored.rename(tmp_path / stored.name)
    together = scan_archive([archive], tmp_path / "together", workers=2)
    assert alone.ledger.equals(together.ledger)
