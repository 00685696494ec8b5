"""Codes of everything that can be wrong with a file or a scan, each with a severity and an explanation.

`accept` decides by severity which scans are used. `default` accepts what was repaired exactly or by a stated
rule and quarantines what is doubtful; `strict` also quarantines every repaired geometry; `lenient` accepts
all that can be read. Flags are recorded in any case.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Literal, get_args

from medcl.errors import UsageError

Accept = Literal["strict", "default", "lenient"]
State = Literal["used", "dropped", "quarantined"]


class Severity(Enum):
    """Severity of a flag: a remark, a repair, a repaired geometry, or a doubt that a person must resolve."""

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
    "VARSPACING": (GEOMETRY, "slice distances vary; slices were resampled to even spacing along the normal"),
    "DUP_DROPPED": (REPAIR, "a slice was present twice with the same pixels; one was dropped"),
    "DUP_CONFLICT": (
        DOUBT,
        "two slices share a position but have different pixels, and no tag distinguishes them",
    ),
    "TILT": (GEOMETRY, "the gantry was tilted; the affine is sheared, and exact"),
    "SCOUT": (NOTE, "a localizer, or a stack of fewer than four slices"),
    "MIXED_ORIENT": (GEOMETRY, "the series held several orientations; it was split by orientation"),
    "SPLIT": (
        NOTE,
        "the series or file held several acquisitions, echoes, b-values, phases, kernels, energy windows or "
        "detectors; it was split",
    ),
    "SPLIT_BY_NUMBER": (
        REPAIR,
        "several slices share each place and no tag names what tells them apart; they were split by "
        "InstanceNumber, which runs through all places again and again in one way",
    ),
    "PARALLEL_STACKS": (
        GEOMETRY,
        "the series held parallel stacks with room between or beside them; each is a scan of its own",
    ),
    "SERIES_JOINED": (
        GEOMETRY,
        "each slice had a series UID of its own; they were put together by study, protocol and geometry",
    ),
    "SPACES_JOINED": (
        GEOMETRY,
        "each slice had a frame of reference of its own; they were put together by series and geometry",
    ),
    "NO_GEOM": (NOTE, "the position in space is not known"),
    "SPACING_UNKNOWN": (NOTE, "the pixel spacing in millimeters is not known"),
    "SPACING_AT_DETECTOR": (NOTE, "pixel spacing is measured at the detector, not in the patient"),
    "SINGLE_SLICE": (NOTE, "the stack has one slice; the slice thickness is used as the slice distance"),
    "MOSAIC": (REPAIR, "slices were tiled into one image (mosaic); they were separated"),
    "FRAMES_SORTED": (NOTE, "frames were not stored in order of place or time; they were sorted"),
    "FRAMES_UNNAMED": (
        DOUBT,
        "the header does not say which frames make one volume (vectors of nuclear medicine); export each "
        "energy window, phase or time slot as an object of its own",
    ),
    "DISTANCE_ASSUMED": (
        GEOMETRY,
        "the distance between slices is not stated; the slice thickness was used",
    ),
    "FIRST_SLICE_ASSUMED": (
        GEOMETRY,
        "slices are not stored from the first on; the stated place was taken as that of the first slice",
    ),
    "REGION_OF_MANY": (NOTE, "the ultrasound screen shows several images; each is a separate scan"),
    "REGIONS_OVERLAP": (
        GEOMETRY,
        "regions of the ultrasound screen overlap and differ in pixel size; that of the larger was used",
    ),
    "TRUNCATED_SLICE": (
        GEOMETRY,
        "truncated files of this series were left out; slices at its ends may be missing",
    ),
    "IRREGULAR_MATRIX": (
        GEOMETRY,
        "the series held several matrix sizes, pixel spacings, scales or frames of reference; it was split",
    ),
    # geometry of NIfTI
    "XFORM_CONFLICT": (GEOMETRY, "sform and qform disagree about directions; left and right are uncertain"),
    "XFORM_UNKNOWN": (GEOMETRY, "the directions of the axes are not stated; left and right are unknown"),
    "PIXDIM_CONFLICT": (GEOMETRY, "voxel size and sform disagree; the sform was used"),
    "PIXDIM_NEGATIVE": (GEOMETRY, "a voxel size was negative; its absolute value was used"),
    "UNITS_SCALED": (GEOMETRY, "lengths were in meters or micrometers and were converted to millimeters"),
    "UNITS_UNKNOWN": (NOTE, "the unit of length is not stated; millimeters were assumed"),
    "SPACING_IMPLAUSIBLE": (DOUBT, "a voxel size is outside of 0.005 to 20 mm"),
    "SHEARED": (GEOMETRY, "the axes are not at right angles; the affine is exact"),
    "AFFINE_DEGENERATE": (DOUBT, "the affine is singular or not finite; the position in space is unknown"),
    "FRAME_OF_MANY": (NOTE, "the file holds several frames or channels; each is a separate scan"),
    # calibration and pixel meaning
    "UNCALIBRATED": (
        REPAIR,
        "CT whose values are not HU: no rescale values, another unit stated, or air and water not where HU "
        "have them; no limit in HU is applied",
    ),
    "HU_LIKELY": (NOTE, "air and water have the values of HU, but no tag states that values are HU"),
    "LUT_APPLIED": (NOTE, "a modality look-up table was applied"),
    "VOI_APPLIED": (NOTE, "the window (VOI) that the image is presented with was applied"),
    "PAD_MASKED": (NOTE, "padding outside the reconstruction was masked"),
    "OVERLAY_MASKED": (REPAIR, "overlay bits inside the pixels were masked out"),
    "MONO1_INVERTED": (NOTE, "stored with low values as bright (MONOCHROME1); inverted"),
    "MONO1_KEPT": (
        NOTE,
        "shown with low values as bright (MONOCHROME1), but the values are measurements (HU, activity, "
        "counts) and were kept",
    ),
    "ASPECT_CORRECTED": (
        REPAIR,
        "pixels are not square (PixelAspectRatio); resampled to square ones, whose millimeters are unknown",
    ),
    "PALETTE": (NOTE, "a color palette was applied"),
    "PRECISE_SCALE": (
        REPAIR,
        "slices differ in scale; the private Philips scale was used for precise values",
    ),
    "SUV": (NOTE, "converted to standardized uptake values by body weight"),
    "SUV_UNKNOWN": (
        NOTE,
        "PET whose tags for SUV (weight, dose, dates and times, corrections) are missing, implausible or "
        "contradict each other; values keep their stored unit",
    ),
    "RESCALED": (NOTE, "stored values were scaled by slope and intercept"),
    "NONFINITE": (REPAIR, "NaN or infinite voxels were masked and filled with the lowest value"),
    "NONFINITE_MANY": (DOUBT, "over 1 % of the voxels are NaN or infinite"),
    "COLOR_VOLUME": (NOTE, "voxels have color, as the last axis"),
    "ALPHA_DROPPED": (REPAIR, "a transparency channel was dropped"),
    "EXIF_ROTATED": (REPAIR, "the image was rotated according to its EXIF tag"),
    "PIXELREP_MISMATCH": (
        REPAIR,
        "the compressed stream and the header disagree about the sign; the header was used",
    ),
    # origin
    "SIDECAR_USED": (
        NOTE,
        "modality, manufacturer or body part were read from a JSON file beside or above the image",
    ),
    "PATIENT_FROM_LAYOUT": (NOTE, "the patient is taken from the layout of folders and file names"),
    "PATIENT_UNKNOWN": (NOTE, "no patient is identified; the scan counts as a patient of its own"),
    "DERIVED": (NOTE, "computed from other images, or a secondary capture"),
    "LOSSY": (NOTE, "was compressed lossily"),
    "DEPTH_REDUCED": (NOTE, "a color image of over 8 bits per channel, of which the upper 8 were read"),
    "BURNED_IN_RISK": (NOTE, "text about the patient may be burned into the pixels"),
    "LABEL_MAP": (NOTE, "a label mask; it belongs to a scan only if their grids agree"),
    "PROBABILITY_MAP": (NOTE, "probabilities of a label, by name and values; neither an image nor a mask"),
    "FEW_VALUES": (
        NOTE,
        "has as few values as a label map, but no name that says so, and is arranged like an image; "
        "used as an image",
    ),
    "MASK_ORPHAN": (NOTE, "labels whose scan is not in the archive, or not under a name that matches"),
    "MASK_MISMATCH": (
        DOUBT,
        "a mask whose geometry does not match the scan that it was named after or drawn on",
    ),
    "STRUCTURE_LEFT_OUT": (
        NOTE,
        "a label, structure or segment reaches beyond the scan, lies off its slices or is malformed; only "
        "the others were drawn",
    ),
    # descriptions of data sets (dataset.json)
    "DATASET_MALFORMED": (NOTE, "a part of the description does not have the form of nnU-Net or Decathlon"),
    "DATASET_FILES_MISSING": (NOTE, "the description names images or labels that are not in the archive"),
    "DATASET_COUNT": (NOTE, "numTraining is not the number of training cases"),
    "DATASET_CHANNELS": (NOTE, "a case lacks a channel that the description names, or has another one"),
    "DATASET_ENDING": (NOTE, "no image has the stated file ending"),
    "BAD_VR": (NOTE, "the value of a tag did not have the required form"),
    "NO_PREAMBLE": (NOTE, "DICOM without preamble or meta header; the transfer syntax was inferred"),
    "TRAILING_DATA": (NOTE, "bytes after the end of the pixels were ignored"),
}

REASONS: dict[str, str] = {
    # dropped: valid, but not an image to use
    "EMPTY_FILE": "the file is empty",
    "NOT_AN_IMAGE": "the file is not an image",
    "UNKNOWN_FORMAT": "of no format that is read; if it is an image, convert it to NIfTI or DICOM",
    "UNSUPPORTED_FORMAT": "an image format that is not read (HEIC, FITS and others); convert it to TIFF",
    "DATA_FILE": "holds the voxels of a header file (.mhd, .nhdr, .hdr), which is the scan",
    "DATA_WITHOUT_HEADER": "bare voxels that no header refers to; add the .mhd, .nhdr or .hdr file to them",
    "HDF5": "HDF5 (also MATLAB 7.3) does not say what is an image, nor where; save the volumes as NIfTI",
    "MATLAB": "a MATLAB file does not say where a volume is in space; save the volumes as NIfTI",
    "MINC": "MINC (1 or 2) or netCDF; convert it with mnc2nii",
    "PYTORCH": "a PyTorch or pickle file, which can run code when it is loaded; save the arrays as NIfTI",
    "PAR_REC": "Philips PAR/REC; convert it with dcm2niix, or export DICOM",
    "AFNI": "AFNI HEAD/BRIK; convert it with 3dAFNItoNIFTI",
    "VTK": "VTK; convert image data to NIfTI or MetaImage; meshes are no images",
    "WHOLE_SLIDE": "a whole slide image, or a TIFF of that size; cut it into PNG or TIFF tiles first",
    "PDF": "a PDF document; export its images from their source",
    "OFFICE_DOCUMENT": "a document or program; the images in it are no scans",
    "SYSTEM_FILE": "written by the operating system (._ file, .DS_Store, Thumbs.db); it can be deleted",
    "BZIP2": "compressed with bzip2; unpack it (bunzip2), or compress it with gzip",
    "SPLIT_ARCHIVE": "a part of a zip that is split over several files; join and unpack them first",
    "UNSUPPORTED_ARCHIVE": "an unsupported archive format; use zip, tar or tar.gz, or unpack it first",
    "SYMLINK": "a symbolic link; scan with --follow-links (in a study: follow_links: true) to read what it "
    "leads to, under the link's name",
    "LINK_REPEATED": "another name (link) of a file or folder that is read under its first link",
    "LINK_LOOP": "a link to a folder that the link is in",
    "LINK_DANGLING": "a link whose target is not there or may not be read; restore it, or delete the link",
    "LINK_IN_CONTAINER": "a link inside a zip or tar, whose files are read under their own names; if its "
    "target is outside, unpack it and scan the folder with --follow-links",
    "CONTENT_STORE": "kept under a key by git, git-annex, DVC or the Hugging Face cache (.git, blobs); scan "
    "the folder of the links to it, with --follow-links",
    "ANNEX_NOT_FETCHED": "a file of DataLad or git-annex whose content is not here; run 'datalad get .' or "
    "'git annex get .' in the data set and scan again",
    "LFS_NOT_FETCHED": "a pointer of Git LFS to a file that is not here; run 'git lfs pull' and scan again",
    "DVC_POINTER": "a pointer of DVC; if the file that it stands for is not beside it, run 'dvc pull'",
    "CLOUD_PLACEHOLDER": "a placeholder of iCloud for a file that is not here; download it and scan again",
    "SPECIAL_FILE": "not a regular file",
    "CONTAINER_EMPTY": "a zip or tar without a readable image",
    "CONTAINER_NESTED": "an archive inside an archive; unpack it first",
    "DICOMDIR": "an index of DICOM files; the files themselves are read",
    "SIDECAR": "JSON about images beside or below it; modality, manufacturer and body part are used",
    "SIDECAR_UNUSED": "JSON with metadata of an image, whose name is that of no image beside or below it",
    "DATASET_JSON": "the description of a data set; modalities and pairs of image and label are used",
    "DATASET_JSON_FAULTY": "the description of a data set, which contradicts its files; its flags say how",
    "NO_PIXELS": "DICOM without an image (report, plan, structure set or similar)",
    "DUPLICATE_FILE": "the same object with the same pixels as a file that was used",
    "DUPLICATE_SLICE": "a second copy of a slice with the same pixels",
    "DOSE": "a dose grid, not an image",
    "NO_IMAGES": "npz without train_images, val_images or test_images",
    # quarantined: an image that is unreadable or unreliable
    "UNREADABLE": "reading the file failed",
    "CRASHED": "the process that read the file crashed",
    "UNREADABLE_FOLDER": "no permission to read the folder, or its path is too long",
    "TRUNCATED": "the file is cut off before the end of its pixels",
    "DAMAGED": "the file's checksum or structure is broken",
    "UNDECODABLE": "the pixels cannot be decoded",
    "DECODER_MISSING": "the compressed pixels need a decoder that is not installed",
    "VIDEO": "an encoded video; export still images to use it",
    "TILES_UNPLACED": "slices tiled into one image (mosaic, VFRAME) whose number or place is not stated; "
    "export the series with its private elements, or as one file for each slice",
    "BAD_HEADER": "the header contradicts itself",
    "TOO_LARGE": "the file claims more pixels than the limit",
    "BOMB": "the file would unpack to far more than its size (decompression bomb)",
    "PATH_UNSAFE": "a member of a zip or tar whose name points outside of it",
    "ENCRYPTED": "an encrypted member of a zip; decrypt it first",
    "PICKLE": "holds pickled objects, which are never loaded because they can run code",
    "UNSUPPORTED_DTYPE": "the pixels have an unsupported data type",
    "CHANGED": "the file changed after the scan; scan the archive again",
    "MISSING": "the file no longer exists",
    "MISMATCH": "frames or slices are inconsistent with each other or with the catalog",
    "DATA_MISSING": "the header names a data file that is not there; copy it beside the header",
    "DATA_OUTSIDE": "the header names a data file outside of its folder; put it beside the header",
    "DATA_TRUNCATED": "the data file is shorter than its header says",
    "DATA_DAMAGED": "the checksum or structure of the data file is broken",
    "DATA_SPREAD": "the voxels are spread over several data files; convert it to one file",
    "NRRD_AXES": "not two or three spatial axes; save the volume with its space directions",
    "NRRD_ENCODING": "an encoding of NRRD that is not read (hex, line skip); save it as raw or gzip",
    "NPY_SHAPE": "not an array of two or three axes; save volumes as NIfTI, which holds their geometry",
    "COMPLEX": "complex numbers; save magnitude and phase as separate files",
    "DEFLATE64": "compressed with Deflate64 (Windows Explorer, large zips); unpack it and scan the folder",
    "ZIP_METHOD": "compressed with an unsupported method of zip; unpack it and scan the folder",
    "NPZ_SHAPE": "the arrays of an npz are not 2D images; save volumes as NIfTI, which holds their geometry",
    "NPZ_LABELS": "the labels of an npz do not match its images",
    "SEG": "a segmentation that could not be read",
    "NOT_CONVERTED": "NIfTI cannot hold the scan; it can be used through 'medcl prepare'",
    "LABEL_NUMBERS": "a mask with label numbers over 65535; renumber its labels",
}


class Rejected(Exception):
    """A file or scan that is not used.

    The message holds only the code, so that no text of a file reaches a log.

    Attributes:
        state: `dropped` or `quarantined`.
        code: Reason, a key of `REASONS` or `FLAGS`.
        flags: Flags raised so far, sorted.
        series: Private UID of the series that lacks this slice, or empty.
        study: Private UID of its study, or empty.
    """

    def __init__(
        self, state: State, code: str, flags: Iterable[str] = (), series: str = "", study: str = ""
    ) -> None:
        super().__init__(code)
        self.state = state
        self.code = code
        self.flags = tuple(sorted(set(flags)))
        self.series = series
        self.study = study

    def __reduce__(self) -> tuple[type[Rejected], tuple[State, str, tuple[str, ...], str, str]]:
        return Rejected, (self.state, self.code, self.flags, self.series, self.study)


def dropped(code: str, *flags: str) -> Rejected:
    """Return the error for a valid file that is not an image to use."""
    return Rejected("dropped", code, flags)


def quarantined(code: str, *flags: str) -> Rejected:
    """Return the error for an image that is unreadable or unreliable."""
    return Rejected("quarantined", code, flags)


def check_accept(accept: str) -> None:
    """Check that `accept` is a known choice.

    Raises:
        UsageError: It is not; the message lists the known ones.
    """
    if accept not in get_args(Accept):
        raise UsageError(f"accept '{accept}' is unknown; use strict, default or lenient")


def held_back(flags: Iterable[str], accept: str) -> str | None:
    """Return the flag for which `accept` quarantines a scan, or None if the scan is used."""
    refused = {
        "strict": {GEOMETRY, DOUBT},
        "default": {DOUBT},
        "lenient": set[Severity](),
    }[accept]
    return next((flag for flag in sorted(flags) if severity(flag) in refused), None)


def split_flags(joined: str | None) -> set[str]:
    """Return the flags of a scan or file, which tables hold joined by `;`."""
    return set(filter(None, (joined or "").split(";")))


def join_flags(flags: Iterable[str]) -> str:
    """Return flags as tables hold them: sorted and joined by `;`."""
    return ";".join(sorted(set(flags)))


def severity(code: str) -> Severity:
    """Return the severity of a flag; an unknown flag is a doubt."""
    return FLAGS[code][0] if code in FLAGS else DOUBT


def explain(code: str) -> str:
    """Return the explanation of a flag or reason."""
    return FLAGS[code][1] if code in FLAGS else REASONS.get(code, code)
