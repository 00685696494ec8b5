"""Which patient a file belongs to, decided from its header or its path, with the evidence for it.

The order of trust is: a pattern of the user, the PatientID of the header, BIDS entities, the layouts of
common data sets (nnU-Net, Medical Segmentation Decathlon), a folder or file that is named as a patient
(`patient00012`), a folder per patient, the names of the channels or views of one image. A rule that cannot be
sure whether two files are of one patient takes them for one: that costs a few scans in training, while the
opposite puts one patient on both sides of a split. Where nothing says who the patient is, each scan counts as
a patient of its own, and everything downstream says so.

Sources: BIDS 1.10 (entities, derivatives, raw and source data), the dataset formats of nnU-Net and the
Decathlon, names of cases and time points in BraTS, and those in `medcl.archive.patient_names`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from medcl.archive.patient_names import (
    MODALITIES,
    NAMED_IMAGE,
    PERSON,
    PICTURE,
    PROCESSED,
    REPEATED,
    SEQUENCES,
    VIEWS,
)
from medcl.errors import UsageError

Evidence = Literal[
    "pattern",
    "PatientID",
    "BIDS",
    "nnU-Net",
    "Decathlon",
    "folder",
    "name",
    "channels",
    "study",
    "table",
    "unknown",
]
"""What says who the patient is; `study` and `unknown` say it of one study or one file only."""

LAYOUTS: frozenset[Evidence] = frozenset({"nnU-Net", "Decathlon", "folder", "name", "channels"})
"""Evidence from the layout of folders and names, which a catalog flags PATIENT_FROM_LAYOUT."""

_NNUNET_FOLDERS = re.compile(r"(images|labels)(tr|ts|va|val)", re.I)
_CHANNEL = re.compile(r"[_-]\d{4}$")
_ROOTS = frozenset({"derivatives", "rawdata", "sourcedata"})
_SESSION_FOLDER = re.compile(
    r"(ses(sion)?|visit|time_?point|tp|baseline|follow_?up|fu|week|month|year|scan|study|exam|series|v)"
    r"([-_ ]?\d+)*"
    r"|(19|20)\d\d[-_]?[01]\d[-_]?[0-3]\d|anat|func|dwi|fmap|perf|pet|mr|mri|ct|dicom|nifti|nii|raw|native"
    r"|images?|masks?|labels?|seg(mentations?)?",
    re.I,
)
_SESSION_SUFFIX = re.compile(
    r"[-_](ses|session|visit|tp|time|timepoint|frame|scan|study|week|month|year|phase)[-_]?\d+$"
    r"|[-_](baseline|follow_?up|fu|pre|post|ed|es)[-_]?\d*d?$",
    re.I,
)
_SHORT_ID = re.compile(r"[A-Za-z]{0,3}[-_]?\d{2,}")
_NUMBERED = re.compile(
    r"(.*(?:pat|patient|subject|subj|case|pt|gli|men|met|ped|ssa|gbm|training)[-_]?\d+)[-_]\d{1,3}$", re.I
)
_SUFFIXES = re.compile(
    r"(\.(nii|gz|mha|mhd|nrrd|nhdr|mgz|mgh|hdr|img|dcm|png|jpe?g|tiff?|bmp|jp2|npy|json))+$", re.I
)
_WITH_VIEW = re.compile(r"(?:(?:calc|mass)-(?:training|test)_)?(.*\d)_(?:left|right)_(?:cc|mlo)(?:_\d+)?")


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient and the evidence for who it is.

    Attributes:
        value: The value behind the pseudonym: a PatientID, or a place in the archive; private.
        evidence: What says so.
    """

    value: str
    evidence: Evidence


def patient_identifier(value: str) -> str:
    """Return an identifier of a patient in one spelling, without differences in case and spaces.

    CBIS-DDSM states the view, too (`Calc-Test_P_00038_LEFT_CC`), which is not of another patient.
    """
    plain = " ".join(value.split()).casefold()
    view = _WITH_VIEW.fullmatch(plain)
    return view[1] if view else plain


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a user's pattern for the patient in a file's path.

    Args:
        pattern: Regular expression that is searched for in the path below the archive, with slashes. The
            patient is its group `patient`, else its first group, else all that matched.

    Raises:
        UsageError: The pattern is no regular expression, or matches empty text.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"--patient-pattern: not a regular expression: {error}") from None
    if compiled.match(""):
        raise UsageError("--patient-pattern: matches every path, even an empty one; name the patient's part")
    return compiled


def matched_patient(pattern: re.Pattern[str] | None, place: str) -> Patient | None:
    """Return the patient that the user's pattern finds in a path below the archive, or None."""
    match = pattern.search(_inside(place)) if pattern is not None else None
    if match is None:
        return None
    named = match.groupdict().get("patient")
    value = named or next((group for group in match.groups() if group), None) or match[0]
    return Patient(patient_identifier(value), "pattern")


def patient_of_path(place: str, pattern: re.Pattern[str] | None = None) -> Patient | None:
    """Return the patient that a path names, or None where it names none.

    Args:
        place: Name of the archive and path of the file inside it, with slashes; a zip counts as a folder.
        pattern: Pattern of the user, which goes before every other rule.
    """
    return (
        matched_patient(pattern, place)
        or _bids(place)
        or _challenge_layout(place)
        or _named_person(place)
        or _folder_per_patient(place)
        or _channels(place)
    )


def bids_subject(place: str) -> str | None:
    """Return the BIDS subject of a path, such as `sub-01`, or None."""
    patient = _bids(place)
    return None if patient is None else patient.value.rpartition("/")[2]


def is_derivative(place: str) -> bool:
    """Return whether a path is in the derivatives of a BIDS data set."""
    return "/derivatives/" in place.lower() and _bids(place) is not None


class BidsOriginals:
    """BIDS subjects with images outside of derivatives: what their derivatives show is a repetition."""

    def __init__(self) -> None:
        self._subjects: set[str] = set()

    def add(self, place: str) -> None:
        """Note the subject of an image that is not in derivatives."""
        if "sub-" in place and not is_derivative(place) and (subject := _bids(place)) is not None:
            self._subjects.add(subject.value)

    def has(self, place: str) -> bool:
        """Return whether the subject of a path has an image outside of derivatives."""
        subject = _bids(place)
        return subject is not None and subject.value in self._subjects


def _inside(place: str) -> str:
    return place.partition("/")[2] or place


def _bids(place: str) -> Patient | None:
    """Return the first `sub-` folder at any depth, as derivatives, raw and source data share subjects."""
    parts = place.split("/")
    for depth, part in enumerate(parts[:-1]):
        if re.fullmatch(r"sub-.+", part, re.I):
            return Patient(f"{_dataset(parts[:depth])}{part}", "BIDS")
    named = re.match(r"(sub-[A-Za-z0-9+]+)(?=[_.])", parts[-1], re.I)
    return Patient(f"{_dataset(parts[:-1])}{named[1]}", "BIDS") if named else None


def _dataset(folders: list[str]) -> str:
    """Return the root of a BIDS data set with a slash: what stands before `derivatives` and the like."""
    ends = [depth for depth, folder in enumerate(folders) if depth and folder.lower() in _ROOTS]
    return "".join(f"{folder}/" for folder in folders[: ends[0] if ends else len(folders)])


def _challenge_layout(place: str) -> Patient | None:
    """Cases of nnU-Net (`imagesTr/case_0000`) and the Decathlon (`imagesTr/case`), with their labels."""
    path = PurePosixPath(place)
    if not _NNUNET_FOLDERS.fullmatch(path.parent.name):
        return None
    name = stem(place)
    channel = _CHANNEL.search(name) if path.parent.name.lower().startswith("images") else None
    case = name[: channel.start()] if channel else name
    return Patient(f"{path.parent.parent}/{_without_session(case)}", "nnU-Net" if channel else "Decathlon")


def _named_person(place: str) -> Patient | None:
    """Return the first folder, or else the file, that is named as a patient.

    Such a name is taken for one patient in the whole archive: classes, body parts and splits share patients.
    """
    folders = place.split("/")[:-1]
    root = folders[0] if folders else ""
    for folder in folders:
        if named := PERSON.search(folder):
            return Patient(f"{root}/{named[1].lower()}", "folder")
    name = stem(place)
    if named := PERSON.search(name):
        return Patient(f"{root}/{named[1].lower()}", "name")
    if whole := NAMED_IMAGE.fullmatch(name):
        return Patient(f"{root}/{next(filter(None, whole.groups()))}", "name")
    return None


def _folder_per_patient(place: str) -> Patient | None:
    """Return a folder that holds one patient: its files have its name, or the names of sequences."""
    path = PurePosixPath(place)
    folder, name = path.parent, stem(place)
    is_in_sequence = folder.name.lower() in SEQUENCES
    carries = _carries(folder.name, name)
    while _is_part_of_patient(folder.name) and len(folder.parts) > 2:
        is_dated = re.search(r"\d", folder.name) is not None
        folder = folder.parent
        carries = carries or (is_dated and _carries(folder.name, name))
    is_sequence = _is_sequence(name) or (is_in_sequence and _SHORT_ID.fullmatch(folder.name) is not None)
    if not carries and not is_sequence:
        return None
    if len(folder.parts) < 2 or not re.search(r"\d", folder.name):
        return None
    return Patient(f"{folder.parent}/{_without_session(folder.name)}", "folder")


def _carries(folder: str, name: str) -> bool:
    """Return whether the name of a file begins with that of a folder, which has a number."""
    begins = re.match(rf"{re.escape(folder)}([^A-Za-z0-9]|$)", name, re.I)
    return len(folder) > 2 and begins is not None and re.search(r"\d", folder) is not None


def _is_part_of_patient(folder: str) -> bool:
    """Return whether a folder's name is that of an examination or a sequence."""
    return folder.lower() in SEQUENCES or _SESSION_FOLDER.fullmatch(folder) is not None


def _channels(place: str) -> Patient | None:
    """Sequences or views of one examination: `case12_t1` and `case12_flair`, or `T1/case12`, `T2/case12`."""
    path = PurePosixPath(place)
    tokens = re.split(r"([_. -]+)", stem(place))
    end = len(tokens)
    while end > 2 and _follows_sequence(tokens[end - 1].lower(), tokens[end - 3].lower()):
        end -= 2
    processed = end
    while end > 2 and tokens[end - 1].lower() in SEQUENCES | VIEWS:
        end -= 2
    has_channel = end < processed
    folder = path.parent
    if re.split(r"[_. -]+", folder.name.lower())[-1] in SEQUENCES - MODALITIES and not PICTURE.search(place):
        folder, has_channel = folder.parent, True
    case = "".join(tokens[:end])
    if _carries(case, folder.name):
        folder = folder.parent
    if not has_channel or not re.search(r"\d", case):
        return None
    return Patient(f"{folder}/{_without_session(case)}", "channels")


def _follows_sequence(word: str, word_before: str) -> bool:
    """Return whether a word follows that of a sequence: how it was processed, or a number of repetitions."""
    return word in PROCESSED or (word_before in REPEATED and word.isdigit())


def _is_sequence(name: str) -> bool:
    tokens = [token for token in re.split(r"[^A-Za-z0-9]+", name.lower()) if token]
    return bool(tokens) and tokens[0] in SEQUENCES


def _without_session(case: str) -> str:
    """Return the name of a case without its visit, time point or cardiac phase."""
    while True:
        shorter = _SESSION_SUFFIX.sub("", case)
        if numbered := _NUMBERED.fullmatch(shorter):
            shorter = numbered[1]
        if shorter in ("", case):
            return case
        case = shorter


def stem(place: str) -> str:
    """Return a file's name without the suffixes of image formats, such as `.nii.gz`."""
    return _SUFFIXES.sub("", PurePosixPath(place).name)


def channel_number(place: str) -> int | None:
    """Return the number of an image's channel in the naming of nnU-Net (`case_0001.nii.gz`), or None."""
    channel = _CHANNEL.search(stem(place))
    return int(channel[0][1:]) if channel else None


def case_of(place: str) -> str:
    """Return the place of an image's case: without suffix and channel number."""
    return f"{place.rpartition('/')[0]}/{_CHANNEL.sub('', stem(place))}"
