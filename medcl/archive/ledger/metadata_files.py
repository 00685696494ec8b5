"""JSON files that say something of images: sidecars and descriptions of data sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from medcl.archive.ledger.datasets import Datasets
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.ledger.sidecars import Sidecars


def is_metadata(outcome: FileOutcome) -> bool:
    """Return whether a file is a sidecar or the description of a data set."""
    return not outcome.scans and (outcome.sidecar is not None or outcome.dataset is not None)


class Metadata:
    """What all of them state, and which of them was of use.

    Args:
        outcomes: Outcomes of the files.

    Attributes:
        images_of_label: Cases of the images that each label file is stated to belong to.
    """

    def __init__(self, outcomes: Iterable[FileOutcome]) -> None:
        files = list(outcomes)
        self._sidecars, self._datasets = Sidecars(files), Datasets(files)
        self.images_of_label = self._datasets.images_of_label

    def described(self, outcome: FileOutcome) -> FileOutcome:
        """Return the outcome of a file with what sidecars and its data set state of it."""
        if any(scan.kind == "volume" for scan in outcome.scans):
            outcome = replace(outcome, sidecar=self._sidecars.in_force(outcome.place))
        return self._datasets.described(outcome)

    def judged(self, outcome: FileOutcome) -> FileOutcome:
        """Return the outcome of one of the files, after all others, with its reason in the ledger."""
        if outcome.dataset is not None:
            faults = self._datasets.faults(outcome.place)
            return replace(outcome, code="DATASET_JSON_FAULTY" if faults else "DATASET_JSON", flags=faults)
        is_used = self._sidecars.is_used(outcome.place)
        return replace(outcome, code="SIDECAR" if is_used else "SIDECAR_UNUSED")
