"""Descriptions of data sets: channels, pairs, counts, and files that only look like one."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from medcl.archive.formats.dataset_json import DatasetDescription, channel_modality, read_dataset


def read(content: Any, place: str = "D/dataset.json") -> DatasetDescription | None:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    stream = io.BytesIO(raw)
    description = read_dataset(stream, len(raw), place)
    assert stream.tell() == 0
    return description


@pytest.mark.parametrize(
    ("name", "code"),
    [("CT", "CT"), ("ncct", "CT"), ("T1gd", "MR"), ("FLAIR", "MR"), ("PET (SUV)", "PT"), ("ultrasound", "US"),
     ("cat", "unknown"), ("", "unknown")],
)  # fmt: skip
def test_channels_become_modality_codes(name: str, code: str) -> None:
    assert channel_modality(name) == code


@pytest.mark.parametrize("stated", [{"0": "CT", "1": "PET"}, {"1": "PET", "0": "CT"}, ["CT", "PET"]])
def test_channels_are_in_order(stated: Any) -> None:
    description = read({"channel_names": stated, "numTraining": 3, "file_ending": ".NII.gz"})
    assert description == DatasetDescription(("CT", "PT"), training_count=3, ending=".nii.gz")


def test_pairs_are_of_label_and_image_and_test_images_have_none() -> None:
    description = read(
        {"modality": "CT", "training": [{"image": "./a.nii", "label": "l/a.nii"}], "test": ["b.nii"]}
    )
    assert description is not None
    assert description.pairs == (("l/a.nii", "a.nii"),)
    assert description.images == ("a.nii", "b.nii")
    assert not description.is_malformed
    assert "a.nii" not in repr(description)


@pytest.mark.parametrize(
    "content",
    [
        {"channel_names": {"0": "CT", "2": "PET"}},
        {"channel_names": 3},
        {"modality": "CT", "training": "all"},
        {"modality": "CT", "training": [{"image": "../a.nii"}]},
        {"modality": "CT", "training": [{"image": "/data/a.nii"}]},
        {"modality": "CT", "numTraining": -1},
        {"modality": "CT", "numTraining": True},
        {"modality": "CT", "labels": {"liver": "one"}},
        {"modality": "CT", "file_ending": 3},
    ],
)
def test_a_part_without_its_form_is_malformed(content: dict[str, Any]) -> None:
    description = read(content)
    assert description is not None
    assert description.is_malformed


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"modality": "CT"}, "D/notes.json"),
        ({"name": "x"}, "D/dataset.json"),
        ([1], "D/dataset.json"),
        (b"{", "D/dataset.json"),
        (b"[" * 100_000, "D/dataset.json"),
    ],
)
def test_what_is_no_description_is_none(content: Any, place: str) -> None:
    assert read(content, place) is None
