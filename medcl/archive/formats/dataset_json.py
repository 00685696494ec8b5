"""Descriptions of data sets in one JSON file: nnU-Net, Medical Segmentation Decathlon, MONAI data lists.

They say which modality each channel of an image has and which label belongs to which image. Text of the file
goes no further: channels become modality codes, and paths stay in the private index.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO, TypeGuard

from medcl.archive.patient_names import SEQUENCES

MAX_BYTES = 32 << 20
NAMES = re.compile(r"(dataset|datalist)[^/]*\.json$", re.I)
CT_WORDS = frozenset({"cbct", "ct", "cta", "ctp", "cect", "ncct"})
PET_WORDS = frozenset({"fdg", "pet", "pt", "suv"})
US_WORDS = frozenset({"ultrasound", "us"})
MR_WORDS = (SEQUENCES | {"t1wi", "t2wi"}) - CT_WORDS - PET_WORDS


@dataclass(frozen=True, slots=True)
class DatasetDescription:
    """What a description states.

    Attributes:
        modalities: DICOM modality code of each channel, or `unknown`.
        pairs: Label and image that are stated to belong together, as paths below the file's folder; private.
        images: Other images that it lists, also private.
        training_count: Stated number of training cases.
        ending: Stated ending of the image files.
        is_malformed: Whether a part of it does not have the form that nnU-Net and the Decathlon state.
    """

    modalities: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    images: tuple[str, ...] = field(default=(), repr=False)
    training_count: int | None = None
    ending: str = field(default="", repr=False)
    is_malformed: bool = False


def read_dataset(stream: BinaryIO, size: int, place: str) -> DatasetDescription | None:
    """Return the description in a JSON file named as one, or None when it is none."""
    if not NAMES.search(place) or size > MAX_BYTES:
        return None
    try:
        content = json.loads(stream.read(size))
    except (ValueError, RecursionError):
        return None
    finally:
        stream.seek(0)
    if not isinstance(content, dict) or not {"channel_names", "modality", "training"} & set(content):
        return None
    channels, channels_valid = _channels(content.get("channel_names", content.get("modality")))
    pairs, images, cases_valid = _cases(content)
    count, ending = content.get("numTraining"), content.get("file_ending", "")
    is_valid = (
        channels_valid
        and cases_valid
        and _are_labels(content.get("labels"))
        and (count is None or _is_count(count))
        and isinstance(ending, str)
    )
    return DatasetDescription(
        modalities=tuple(map(channel_modality, channels)),
        pairs=pairs,
        images=images,
        training_count=count if _is_count(count) else None,
        ending=ending.lower() if isinstance(ending, str) else "",
        is_malformed=not is_valid,
    )


def channel_modality(name: str) -> str:
    """Return the DICOM modality code of a channel's name, such as MR for `T1gd` and CT for `CT`."""
    words = {word for word in re.split(r"[^a-z0-9*]+", name.lower()) if word}
    for code, vocabulary in (("CT", CT_WORDS), ("PT", PET_WORDS), ("US", US_WORDS), ("MR", MR_WORDS)):
        if words & vocabulary:
            return code
    return "unknown"


def _channels(stated: Any) -> tuple[list[str], bool]:
    """Return the names of the channels in order, and whether they are numbered from 0 without a gap."""
    if stated is None:
        return [], True
    if isinstance(stated, str):
        return [stated], True
    if isinstance(stated, list):
        return [str(name) for name in stated], True
    if not isinstance(stated, dict):
        return [], False
    by_number = {int(key): str(name) for key, name in stated.items() if str(key).isdecimal()}
    complete = sorted(by_number) == list(range(len(stated)))
    return [by_number[number] for number in sorted(by_number)] if complete else [], complete


def _cases(content: dict[str, Any]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...], bool]:
    """Return pairs of label and image, further images, and whether every path stays below the folder."""
    pairs: list[tuple[str, str]] = []
    images: list[str] = []
    is_valid = True
    for name in ("training", "validation", "test"):
        cases = content.get(name, [])
        if not isinstance(cases, list):
            is_valid = False
            continue
        for case in cases:
            case = {"image": case} if isinstance(case, (str, list)) else case
            stated = case.get("image") if isinstance(case, dict) else None
            paths = [_below(path) for path in (stated if isinstance(stated, list) else [stated])]
            label = case.get("label") if isinstance(case, dict) else None
            mask = _below(label) if isinstance(label, str) and "." in label else None
            is_valid &= bool(paths) and None not in paths
            images += [path for path in paths if path is not None]
            pairs += [(mask, path) for path in paths if mask is not None and path is not None]
    return tuple(pairs), tuple(images), is_valid


def _below(path: Any) -> str | None:
    """Return a path below the folder of the file, or None for anything else."""
    if not isinstance(path, str) or not path.strip():
        return None
    plain = PurePosixPath(path.strip().replace("\\", "/"))
    return None if plain.is_absolute() or ".." in plain.parts else str(plain)


def _are_labels(labels: Any) -> bool:
    """Return whether labels are numbers by name (nnU-Net; lists for regions) or names by number."""
    if labels is None:
        return True
    if not isinstance(labels, dict):
        return False
    return all(
        _is_count(number) or (isinstance(number, list) and all(map(_is_count, number)))
        for key, value in labels.items()
        for number in [int(key) if str(key).isdecimal() else value]
    )


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
