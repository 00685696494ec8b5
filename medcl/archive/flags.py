"""What can be wrong with a file or a scan: one code each, with a severity and a sentence for a person.

A policy turns severities into a decision. `default` lets through what was repaired exactly or by a stated
rule and holds back what is doubtful; `strict` also holds back every repaired geometry; `lenient` lets
through all that can be read. Flags are kept whatever the decision.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Literal, get_args

from medcl.errors import UsageError

Policy = Literal["strict", "default", "lenient"]
State = Literal["used", "dropped", "quarantined"]


class Severity(Enum):
    """How much a flag should worry: a remark, a repair, a repaired geometry, a doubt that needs a person."""

    NOTE = "note"
    REPAIR = "repair"
    GEOMETRY = "geometry"
    DOUBT = "doubt"


NOTE, REPAIR, GEOMETRY, DOUBT = Severity.NOTE, Severity.REPAIR, Severity.GEOMETRY, Severity.DOUBT

FLAGS: dict[str, tuple[Severity, str]] = {
    # geometry of DICOM stacks
    "GAP": (GEOMETRY, "slices are missing; they were interpolated and marked as not measured"),
    "GAP_LARGE": (
        DOUBT,
        "more slices are missing than may be interpolated (over 10 %, over 3 in a row, or over 15 mm)",
    ),
    "VARSPACING": (GEOMETRY, "slice distances vary; resampled along the normal to an even grid"),
    "DUP_DROPPED": (REPAIR, "a slice stood twice with the same pixels; one was dropped"),
    "DUP_CONFLICT": (DOUBT, "two slices share a position but differ, and no tag tells them apart"),
    "TILT": (GEOMETRY, "the gantry was tilted; the affine is sheared and exact"),
    "SCOUT": (NOTE, "a localizer or a stack of fewer than four slices"),
    "MIXED_ORIENT": (GEOMETRY, "the series held several orientations; it was split by them"),
    "SPLIT": (
        NOTE,
        "the series held several acquisitions, echoes, b-values, phases or kernels; it was split",
    ),
    "NO_GEOM": (NOTE, "no position in space is known"),
    "SPACING_UNKNOWN": (NOTE, "millimeters per pixel are not known"),
    "SPACING_AT_DETECTOR": (NOTE, "pixel spacing is measured at the detector, not in the patient"),
    "SINGLE_SLICE": (NOTE, "the stack has one slice; its thickness stands for the distance between slices"),
    "MOSAIC": (REPAIR, "slices were tiled into one picture and were taken apart"),
    "FRAMES_SORTED": (NOTE, "frames were not stored in spatial order; they were sorted"),
    "TRUNCATED_SLICE": (GEOMETRY, "files of this series were cut off and left out; its ends may be missing"),
    "IRREGULAR_MATRIX": (
        GEOMETRY,
        "the series held several matrices, pixel spacings, scales or frames of reference; it was split",
    ),
    # geometry of NIfTI
    "XFORM_CONFLICT": (GEOMETRY, "sform and qform disagree about direction: left and right are not certain"),
    "XFORM_UNKNOWN": (GEOMETRY, "neither sform nor qform is set: left and right are not known"),
    "PIXDIM_CONFLICT": (GEOMETRY, "voxel size and sform disagree; the sform was trusted"),
    "PIXDIM_NEGATIVE": (GEOMETRY, "a voxel size was negative; its absolute value was used"),
    "UNITS_SCALED": (GEOMETRY, "lengths were in metres or micrometers and were turned into millimeters"),
    "UNITS_UNKNOWN": (NOTE, "the unit of length is not stated; millimeters were taken"),
    "SPACING_IMPLAUSIBLE": (DOUBT, "a voxel size lies outside 0.005 to 20 mm"),
    "SHEARED": (GEOMETRY, "the axes are not at right angles; the affine is exact"),
    "AFFINE_DEGENERATE": (DOUBT, "the affine is singular or not finite: no place in space"),
    "FRAME_OF_MANY": (NOTE, "the file holds several frames or channels; each is a scan of its own"),
    # calibration and pixel meaning
    "UNCALIBRATED": (REPAIR, "a CT without rescale values: numbers are arbitrary, not HU"),
    "HU_LIKELY": (NOTE, "air and water lie where HU have them, but no tag says that the numbers are HU"),
    "LUT_APPLIED": (NOTE, "a modality look-up table was applied"),
    "VOI_APPLIED": (NOTE, "the window that the picture is presented with was applied"),
    "PAD_MASKED": (NOTE, "padding outside the reconstruction was masked"),
    "OVERLAY_MASKED": (REPAIR, "overlay bits inside the pixels were masked out"),
    "MONO1_INVERTED": (NOTE, "stored with bright as low; inverted once"),
    "PALETTE": (NOTE, "a color palette was applied"),
    "PRECISE_SCALE": (REPAIR, "slices differ in scale; the precise values of Philips' own scale were taken"),
    "SUV": (NOTE, "turned into standardized uptake values by body weight"),
    "SUV_UNKNOWN": (NOTE, "PET without the tags that SUV needs; numbers stay in its own unit"),
    "RESCALED": (NOTE, "stored numbers were scaled by slope and intercept"),
    "NONFINITE": (REPAIR, "voxels that are no number were masked and filled with the lowest value"),
    "NONFINITE_MANY": (DOUBT, "over 1 % of the voxels are no number"),
    "COLOR_VOLUME": (NOTE, "voxels have color; it stands in a last axis"),
    "ALPHA_DROPPED": (REPAIR, "a transparency channel was dropped"),
    "EXIF_ROTATED": (REPAIR, "the picture was turned as its EXIF tag says"),
    "PIXELREP_MISMATCH": (REPAIR, "the compressed stream and the header disagree about sign; the header won"),
    # origin
    "SIDECAR_USED": (NOTE, "modality, maker or body part come from the JSON beside the file"),
    "PATIENT_FROM_LAYOUT": (NOTE, "the patient is taken from the layout of folders and file names"),
    "PATIENT_UNKNOWN": (NOTE, "no patient is named; the scan stands for its own patient"),
    "DERIVED": (NOTE, "computed from other images, or a secondary capture"),
    "LOSSY": (NOTE, "was compressed with loss"),
    "DEPTH_REDUCED": (NOTE, "a color picture of 16 bits a channel, read with the upper 8"),
    "BURNED_IN_RISK": (NOTE, "text about the patient may be burned into the pixels"),
    "LABEL_MAP": (NOTE, "a mask of labels; it belongs to a scan only where their grids agree"),
    "MASK_MISMATCH": (
        DOUBT,
        "a mask whose geometry is not that of the scan which it is named after or drawn on",
    ),
    "BAD_VR": (NOTE, "a value did not have the form that its tag demands"),
    "NO_PREAMBLE": (NOTE, "DICOM without preamble or meta header; the transfer syntax was inferred"),
    "TRAILING_DATA": (NOTE, "bytes follow the end of the pixels and were ignored"),
}

REASONS: dict[str, str] = {
    # dropped: in order, but no image for us
    "EMPTY_FILE": "the file is empty",
    "NOT_AN_IMAGE": "the file holds no image",
    "UNKNOWN_FORMAT": "not DICOM, NIfTI, PNG, JPEG or npz",
    "UNSUPPORTED_FORMAT": "an image format that is not read; convert it first",
    "UNSUPPORTED_ARCHIVE": "an archive format that is not read; use zip, tar or tar.gz, or unpack it first",
    "SYMLINK": "a symbolic link; its target is read where it lies, if inside the archive",
    "SPECIAL_FILE": "not a regular file",
    "CONTAINER_EMPTY": "a zip or tar without a readable image",
    "CONTAINER_NESTED": "an archive inside an archive; unpack it first",
    "DICOMDIR": "a directory of DICOM files; the files themselves are read",
    "SIDECAR": "a JSON that describes the image of the same name; its modality was taken, nothing else of it",
    "NO_PIXELS": "DICOM without an image (report, plan, structure set or similar)",
    "DUPLICATE_FILE": "the same object with the same pixels as a file that was used",
    "DUPLICATE_SLICE": "a slice that stands twice with the same pixels",
    "DOSE": "a dose grid, not an image",
    "NO_IMAGES": "an npz without train_images, val_images or test_images",
    # quarantined: an image that cannot be trusted or read
    "UNREADABLE": "reading the file failed",
    "CRASHED": "reading the file ended the process that read it",
    "UNREADABLE_FOLDER": "the folder may not be read",
    "TRUNCATED": "the file ends before its pixels do",
    "DAMAGED": "the file's checksum or structure is broken",
    "UNDECODABLE": "the pixels cannot be decoded",
    "DECODER_MISSING": "the compressed pixels need a decoder that is not installed",
    "VIDEO": "an encoded video; no still images to read",
    "BAD_HEADER": "the header contradicts itself",
    "TOO_LARGE": "the file claims more pixels than are read",
    "BOMB": "the file would unpack to far more than its size",
    "PATH_UNSAFE": "a member of a zip or tar whose name leads out of it",
    "ENCRYPTED": "a member of a zip is encrypted",
    "PICKLE": "holds pickled objects, which are never loaded",
    "UNSUPPORTED_DTYPE": "the pixels have a number type that is not read",
    "CHANGED": "the file changed after it was scanned",
    "MISSING": "the file is no longer there",
    "MISMATCH": "frames or slices do not fit together, or no longer do",
    "ANALYZE": "Analyze or a NIfTI pair (.hdr/.img); write it as one .nii file",
    "NPZ_SHAPE": "the arrays of an npz are no pictures; write volumes as NIfTI, which carries geometry",
    "NPZ_LABELS": "an npz whose labels do not match its images",
    "SEG": "a segmentation that could not be read",
    "MASK_ORPHAN": "labels whose scan is not in the archive",
}


class Rejected(Exception):
    """One file or scan that is not used: `state` is "dropped" or "quarantined", `code` says why.

    The message carries the code only: no text of the file ever reaches a log. `series` (its UID, private) is
    set for a slice that its series lacks.
    """

    def __init__(self, state: State, code: str, flags: Iterable[str] = (), series: str = "") -> None:
        super().__init__(code)
        self.state = state
        self.code = code
        self.flags = tuple(sorted(set(flags)))
        self.series = series

    def __reduce__(self) -> tuple[type[Rejected], tuple[State, str, tuple[str, ...], str]]:
        return Rejected, (self.state, self.code, self.flags, self.series)


def dropped(code: str, *flags: str) -> Rejected:
    """Return the verdict "in order, but no image for us"."""
    return Rejected("dropped", code, flags)


def quarantined(code: str, *flags: str) -> Rejected:
    """Return the verdict "an image that cannot be trusted or read"."""
    return Rejected("quarantined", code, flags)


def check_policy(policy: str) -> None:
    """Refuse a policy that does not exist.

    Raises:
        UsageError: with the names of those that do.
    """
    if policy not in get_args(Policy):
        raise UsageError(f"policy '{policy}' is unknown; use strict, default or lenient")


def held_back(flags: Iterable[str], policy: str) -> str | None:
    """Return the code for which `policy` quarantines a scan with these flags, or None if it passes."""
    refused = {
        "strict": {GEOMETRY, DOUBT},
        "default": {DOUBT},
        "lenient": set[Severity](),
    }[policy]
    return next((flag for flag in sorted(flags) if severity(flag) in refused), None)


def severity(code: str) -> Severity:
    """Return the severity of a flag; a code that is not in the table is a doubt."""
    return FLAGS[code][0] if code in FLAGS else DOUBT


def explain(code: str) -> str:
    """Return what a flag or reason means, in a sentence for a person."""
    return FLAGS[code][1] if code in FLAGS else REASONS.get(code, code)
