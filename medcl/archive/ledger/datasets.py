"""What descriptions of data sets (`dataset.json`) state of the files of an archive, and where they err."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from medcl.archive.formats.dataset_json import DatasetDescription
from medcl.archive.formats.sidecar import Sidecar
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.patients import case_of, channel_number

_IMAGES = re.compile(r"images(tr|ts|va|val)", re.I)
_TRAINING_LABELS = re.compile(r"labelstr", re.I)


@dataclass
class _Dataset:
    """One description and what has been seen of its files.

    Attributes:
        description: What it states.
        missing: Cases (see `case_of`) that it names and that were not seen yet.
        channels: Channels seen of each case that has channels in its file names.
        labels: Number of label files of the training set.
        images: Number of image files, and of those with the stated ending.
    """

    description: DatasetDescription
    missing: set[str]
    channels: dict[str, set[int]] = field(default_factory=dict)
    labels: int = 0
    images: int = 0
    images_of_ending: int = 0

    def faults(self) -> tuple[str, ...]:
        """Return the flags of what the description and the files contradict each other in."""
        stated = self.description
        expected = set(range(len(stated.modalities)))
        count = len({label for label, _ in stated.pairs}) or self.labels
        faults = {
            "DATASET_MALFORMED": stated.is_malformed,
            "DATASET_FILES_MISSING": bool(self.missing),
            "DATASET_COUNT": stated.training_count is not None and count not in (0, stated.training_count),
            "DATASET_CHANNELS": bool(expected)
            and any(numbers != expected for numbers in self.channels.values()),
            "DATASET_ENDING": bool(stated.ending and self.images) and not self.images_of_ending,
        }
        return tuple(sorted(flag for flag, is_fault in faults.items() if is_fault))


class Datasets:
    """The described data sets of an archive.

    Args:
        outcomes: Outcomes of the descriptions.

    Attributes:
        images_of_label: Cases of the images that each label file is stated to belong to, by its place.
    """

    def __init__(self, outcomes: Iterable[FileOutcome]) -> None:
        self._by_place: dict[str, _Dataset] = {}
        self._by_folder: dict[str, _Dataset] = {}
        self._by_case: dict[str, _Dataset] = {}
        self.images_of_label: dict[str, set[str]] = {}
        for outcome in outcomes:
            if outcome.dataset is not None:
                self._add(outcome.place, outcome.dataset)

    def _add(self, place: str, description: DatasetDescription) -> None:
        folder = place.rpartition("/")[0]
        images = [f"{folder}/{path}" for path in description.images]
        labels = {f"{folder}/{label}" for label, _ in description.pairs}
        dataset = _Dataset(description, {case_of(path) for path in images} | labels)
        self._by_place[place] = self._by_folder[folder] = dataset
        self._by_case |= {case_of(path): dataset for path in images} | dict.fromkeys(labels, dataset)
        for label, image in description.pairs:
            self.images_of_label.setdefault(f"{folder}/{label}", set()).add(case_of(f"{folder}/{image}"))

    def described(self, outcome: FileOutcome) -> FileOutcome:
        """Return the outcome of a file with what its data set states: its modality, or that it is a label."""
        if not self._by_place or outcome.place in self._by_place:
            return outcome
        place, case = outcome.place, case_of(outcome.place)
        parent = PurePosixPath(place).parent
        dataset = (
            self._by_case.get(place) or self._by_case.get(case) or self._by_folder.get(str(parent.parent))
        )
        if dataset is None:
            return outcome
        dataset.missing -= {place, case}
        if not outcome.scans:
            return outcome
        if place in self.images_of_label:
            return outcome if "LABEL_MAP" in outcome.flags else flagged(outcome, "LABEL_MAP")
        if _TRAINING_LABELS.fullmatch(parent.name):
            dataset.labels += 1
        if not (_IMAGES.fullmatch(parent.name) or case in self._by_case):
            return outcome
        modality = _note_image(dataset, place, case)
        stated = Sidecar(modality, None, None)
        sidecar = stated if outcome.sidecar is None else outcome.sidecar.completed(stated)
        return outcome if modality == "unknown" else replace(outcome, sidecar=sidecar)

    def faults(self, place: str) -> tuple[str, ...]:
        """Return the flags of a description, after all files have been seen."""
        return self._by_place[place].faults()


def _note_image(dataset: _Dataset, place: str, case: str) -> str:
    """Count an image of a data set, and return its modality: that of its channel, or of all channels."""
    description = dataset.description
    dataset.images += 1
    dataset.images_of_ending += place.lower().endswith(description.ending)
    number = channel_number(place)
    modalities = description.modalities
    if number is None:
        return modalities[0] if len(set(modalities)) == 1 else "unknown"
    dataset.channels.setdefault(case, set()).add(number)
    return modalities[number] if number < len(modalities) else "unknown"


def flagged(outcome: FileOutcome, flag: str) -> FileOutcome:
    """Return the outcome of a file with one more flag, on all of its scans."""
    scans = tuple(replace(info, flags=tuple(sorted({*info.flags, flag}))) for info in outcome.scans)
    return replace(outcome, scans=scans, flags=tuple(sorted({*outcome.flags, flag})))
