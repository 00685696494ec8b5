"""Sidecars in force for an image: the one of its name, and those that it inherits from above (BIDS 1.10).

A JSON file applies to every image in its folder and below whose suffix (`_bold`) is its own and whose name
has all of its entities (`task-rest`). What a nearer file states goes before what a farther one does, and
within a folder the one with more entities goes first. Derivatives inherit from their own data set only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from medcl.archive.formats.sidecar import Sidecar, shared_name
from medcl.archive.ledger.examine import FileOutcome

_BIDS_NAME = re.compile(r"((?:[a-zA-Z]+-[A-Za-z0-9+]+_)*)([A-Za-z0-9]+)")


class Sidecars:
    """All sidecars of an archive.

    Args:
        outcomes: Outcomes of their files.
    """

    def __init__(self, outcomes: Iterable[FileOutcome]) -> None:
        self._by_name: dict[str, Sidecar] = {}
        self._inheritable: dict[tuple[str, str, str], list[str]] = {}
        self._used: set[str] = set()
        values: dict[Sidecar, Sidecar] = {}
        for outcome in outcomes:
            if outcome.sidecar is None:
                continue
            name = shared_name(outcome.place)
            self._by_name[name] = values.setdefault(outcome.sidecar, outcome.sidecar)
            folder, _, stem = name.rpartition("/")
            if bids := _BIDS_NAME.fullmatch(stem):
                key = (folder, bids[2], _subject(bids[1]))
                self._inheritable.setdefault(key, []).append(stem)

    def in_force(self, place: str) -> Sidecar | None:
        """Return what the sidecars of an image state, each value by the nearest; None without any."""
        if not self._by_name:
            return None
        merged: Sidecar | None = None
        for name in self._applicable(shared_name(place)):
            self._used.add(name)
            sidecar = self._by_name[name]
            merged = sidecar if merged is None else merged.completed(sidecar)
        return merged

    def is_used(self, place: str) -> bool:
        """Return whether a sidecar was in force for any image so far."""
        return shared_name(place) in self._used

    def _applicable(self, image: str) -> Iterator[str]:
        """Yield the names of the sidecars in force for an image, the nearest first."""
        if image in self._by_name:
            yield image
        folder, _, stem = image.rpartition("/")
        bids = _BIDS_NAME.fullmatch(stem)
        if bids is None or not _subject(bids[1]):
            return
        entities = set(bids[1].split("_"))
        for above in (folder, *map(str, PurePosixPath(folder).parents)):
            stems = [
                other
                for subject in (_subject(bids[1]), "")
                for other in self._inheritable.get((above, bids[2], subject), ())
                if other != stem and set(other.split("_")[:-1]) <= entities
            ]
            yield from (f"{above}/{other}" for other in sorted(stems, key=lambda o: (-o.count("_"), o)))
            if PurePosixPath(above).parent.name == "derivatives":
                return


def _subject(entities: str) -> str:
    """Return the entity of the subject, such as `sub-01`, or an empty text."""
    first = entities.partition("_")[0]
    return first if first.startswith("sub-") else ""
