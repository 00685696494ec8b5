"""Label maps in files of their own, paired with scans by name and checked by geometry."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import PurePosixPath

from medcl.archive.label_evidence import IMAGE_WORDS, LABEL_WORDS, PROBABILITY_WORDS
from medcl.archive.mask_grid import FileGrid, same_grid
from medcl.archive.patient_names import SEQUENCES
from medcl.archive.patients import bids_subject, case_of, stem

TIMES = frozenset({"base", "baseline", "ed", "es", "followup", "fu", "post", "pre", "repeat", "retest"})
"""Words of a name that distinguish examinations of one patient."""

BIDS_IDENTITY = ("ses", "run", "acq", "task", "echo", "part", "dir", "ce", "rec", "sample")
"""BIDS entities that distinguish images of a subject; a mask must agree in those that both names state."""

DISTINCTIVE = 10
"""Letters of a name that two images hardly have in common by chance, if a number is among them."""

DATA_TYPES = frozenset({"anat", "dwi", "fmap", "func", "micr", "perf", "pet", "ct"})
"""Folders of BIDS that tell the images of a session apart."""

STANDARD_SPACES = re.compile(r"(MNI|ICBM|fsaverage|fsLR|OASIS|UNCInfant|Pediatric)", re.I)


Candidates = dict[tuple[str, ...], list[FileGrid]]
NamedScans = dict[str, list[FileGrid]]
StatedImages = Mapping[str, Collection[str]]
"""Cases of images (paths without suffix and channel) by the path of the mask that is stated to be theirs."""


def pair(
    masks: Collection[FileGrid], scans: Collection[FileGrid], stated: StatedImages | None = None
) -> tuple[list[tuple[str, str]], set[str]]:
    """Pair label maps with the scans whose name and grid match.

    What a description of the data set states goes before names. Folders are the same when they differ in
    words for images and labels only (`images/x`, `masks/x`). In the same folder, a mask belongs to the scans
    of its own name without words for labels (`x_seg`, `x`), to the sequences of a case that it names
    (`case1_seg`, `case1_t1`, `case1_flair`), to the scan whose name it continues (`x_liver_seg`), or, where
    its name says labels and nothing else, to the only case of a folder.
    BIDS masks belong to the images of their subject that agree in session, run and data type.

    Returns:
        The pairs (mask, scan), sorted, and the refused masks: those with matching names but no matching grid.
    """
    if not masks:
        return [], set()
    by_folder: Candidates = {}
    by_subject: Candidates = {}
    for scan in scans:
        by_folder.setdefault(_folder_key(scan.path), []).append(scan)
        if (subject := _subject_key(scan.path)) is not None:
            by_subject.setdefault(subject, []).append(scan)
    by_case, by_name = _by_stated_case(scans, stated), _by_distinctive_name(scans)
    pairs: list[tuple[str, str]] = []
    refused: set[str] = set()
    for mask in masks:
        cases = stated.get(mask.path, ()) if stated else ()
        candidates, certain = [scan for case in cases for scan in by_case.get(case, [])], True
        if not candidates:
            candidates, certain = _candidates(mask, by_folder, by_subject, by_name)
        matches = [scan for scan in candidates if same_grid(mask, scan)]
        pairs += [(mask.scan, scan.scan) for scan in matches]
        if candidates and certain and not matches:
            refused.add(mask.scan)
    return sorted(set(pairs)), refused


def _by_stated_case(scans: Iterable[FileGrid], stated: StatedImages | None) -> dict[str, list[FileGrid]]:
    """Return the scans of the cases that are stated to have masks."""
    cases = {case for of_mask in (stated or {}).values() for case in of_mask}
    by_case: dict[str, list[FileGrid]] = {}
    for scan in scans if cases else ():
        if (case := case_of(scan.path)) in cases:
            by_case.setdefault(case, []).append(scan)
    return by_case


def _candidates(
    mask: FileGrid, by_folder: Candidates, by_subject: Candidates, by_name: NamedScans
) -> tuple[list[FileGrid], bool]:
    """Return the scans that a mask may belong to by name, and whether a grid that differs is a fault."""
    subject = _subject_key(mask.path)
    if subject is not None:
        exact = _same_name(mask, by_folder.get(_folder_key(mask.path), []))
        images = [scan for scan in by_subject.get(subject, []) if _same_entities(mask.path, scan.path)]
        return exact or images, bool(exact)
    folder = _folder_key(mask.path)
    scans = by_folder.get(folder, [])
    for rule in (_same_name, _same_case, _only_case):
        if matches := rule(mask, scans):
            return matches, True
    return _continued(mask, scans) or _of_distinctive_name(mask, by_name), False


def _same_name(mask: FileGrid, scans: list[FileGrid]) -> list[FileGrid]:
    name = bare(stem(mask.path))
    return [scan for scan in scans if name and bare(stem(scan.path)) == name]


def _same_case(mask: FileGrid, scans: list[FileGrid]) -> list[FileGrid]:
    """Return the sequences of the case that a mask names."""
    name = bare(stem(mask.path))
    return [scan for scan in scans if name and _without_sequence(bare(stem(scan.path))) == name]


def _only_case(mask: FileGrid, scans: list[FileGrid]) -> list[FileGrid]:
    """Return all scans of a folder that holds one case, for a mask whose name has no number."""
    here = [scan for scan in scans if mask.affine and scan.affine]
    names = {bare(stem(scan.path)) for scan in here}
    first_words = {re.split(r"[^A-Za-z0-9]+", stem(scan.path))[0].lower() for scan in here}
    # In a folder of labels beside the only case, each file is a structure (TotalSegmentator).
    is_structure = here and PurePosixPath(mask.path).parent.parent == PurePosixPath(here[0].path).parent
    if not here or not (is_structure or not re.search(r"[0-9]", _without_sequence(bare(stem(mask.path))))):
        return []
    return here if len(names) == 1 or first_words <= SEQUENCES else []


def _continued(mask: FileGrid, scans: list[FileGrid]) -> list[FileGrid]:
    """Return the scans whose name a mask continues with words that name no other examination."""
    words = bare(stem(mask.path)).split("_")
    matches: dict[int, list[FileGrid]] = {}
    for scan in scans:
        name = bare(stem(scan.path)).split("_")
        more = words[len(name) :]
        if name[0] and words[: len(name)] == name and not any(_tells_apart(word) for word in more):
            matches.setdefault(len(name), []).append(scan)
    return matches[max(matches)] if matches else []


def _by_distinctive_name(scans: Iterable[FileGrid]) -> NamedScans:
    """Return the scans by their name, if it is so long that two images hardly have it by chance."""
    by_name: NamedScans = {}
    for scan in scans:
        name = bare(stem(scan.path))
        if len(name) >= DISTINCTIVE and any(letter.isdigit() for letter in name):
            by_name.setdefault(name, []).append(scan)
    return by_name


def _of_distinctive_name(mask: FileGrid, by_name: NamedScans) -> list[FileGrid]:
    """Return the only scan of an archive whose distinctive name a mask has or continues, in any folder."""
    words = bare(stem(mask.path)).split("_")
    for end in range(len(words), 0, -1):
        scans = by_name.get("_".join(words[:end]), [])
        if scans:
            return scans if len(scans) == 1 else []
        if _tells_apart(words[end - 1]):
            return []
    return []


def _tells_apart(word: str) -> bool:
    return word in SEQUENCES | TIMES or any(letter.isdigit() for letter in word)


_NUMBERED_LABEL = re.compile(rf"({'|'.join(sorted(LABEL_WORDS | IMAGE_WORDS))})([0-9]+)")
"""An image or a label whose number alone names the case (`img0001`, `label0001`)."""


@lru_cache(maxsize=65_536)
def bare(name: str) -> str:
    """Return a name without words for labels and images and without a channel number such as `_0000`.

    Numbers after a word for labels count masks of one image (`x_mask_1`) and go with it.
    """
    words: list[str] = []
    counts = False
    for word in re.split(r"[^a-z0-9]+", name.lower()):
        if not words and (numbered := _NUMBERED_LABEL.fullmatch(word)):
            words.append(numbered[2])
            continue
        is_label = word in LABEL_WORDS | PROBABILITY_WORDS or word.rstrip("0123456789") in LABEL_WORDS
        if is_label or not word or (counts and words and word.isdigit()):
            counts = counts or is_label
        elif word not in IMAGE_WORDS:
            words.append(word)
            counts = False
    if len(words) > 1 and (re.fullmatch(r"0\d{3}", words[-1]) or words[-1] in ("test", "training")):
        words = words[:-1]
    return "_".join(words)


def _without_sequence(name: str) -> str:
    """Return a bare name without the sequences at its end."""
    words = name.split("_")
    while words and words[-1] in SEQUENCES:
        words.pop()
    return "_".join(words)


@lru_cache(maxsize=4096)
def _folder_words(folder: PurePosixPath) -> tuple[str, ...]:
    return tuple(name for part in folder.parts if (name := _plain_folder(part)))


def _folder_key(path: str) -> tuple[str, ...]:
    """Return the folders of a path without those that only say images or labels."""
    return _folder_words(PurePosixPath(path).parent)


def _plain_folder(name: str) -> str:
    """Return a folder's name without words for images and labels: `imagesTr` -> tr, `x_masks` -> x."""
    plain = re.sub(r"^(images|labels)(?=(tr|ts|va|val)$)|^\d(st|nd|rd)(?=_manual$)", "", name.lower())
    words = re.split(r"[^a-z0-9]+", plain)
    return "_".join(word for word in words if word and word not in LABEL_WORDS | IMAGE_WORDS)


def _subject_key(path: str) -> tuple[str, ...] | None:
    """Return the subject of a BIDS path, or None for another path."""
    subject = bids_subject(path)
    return None if subject is None else (subject.lower(),)


@lru_cache(maxsize=65_536)
def _entities(path: str) -> dict[str, str]:
    return dict(re.findall(r"(?:^|[_/])([a-z]+)-([A-Za-z0-9+]+)", path))


def _same_entities(mask: str, scan: str) -> bool:
    """Return whether BIDS names agree in all entities that distinguish images and that both state."""
    first, second = _entities(mask), _entities(scan)
    if STANDARD_SPACES.match(first.get("space", "")) and first.get("space") != second.get("space"):
        return False
    types = {PurePosixPath(path).parent.name.lower() for path in (mask, scan)} & DATA_TYPES
    if len(types) > 1:
        return False
    both = [name for name in BIDS_IDENTITY if name in first and name in second]
    return first.get("ses") == second.get("ses") and all(first[name] == second[name] for name in both)
