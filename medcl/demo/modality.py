"""What makes the demo CT: values of tissues, scanners and DICOM attributes; another modality replaces it."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.uid import UID, CTImageStorage

from medcl.intensity import AIR_HU, PADDING_HU

MODALITY, UNIT = "CT", "HU"
AIR = AIR_HU
VALUE_RANGE = (PADDING_HU, PADDING_HU + 4095)
"""Least and greatest value that a scanner stores."""

SKIN, MUSCLE, FAT_UNDER_SKIN, FAT_OF_CAVITY = 45.0, 58.0, -100.0, -96.0
RIB, VERTEBRA, SPINOUS_PROCESS, VERTEBRAL_ARCH = 420, 430, 380, 400
RIB_MARROW, VERTEBRAL_MARROW = 170, (150, 210)
LUNG = (-880, -820)
GUT_WALL, GUT_FILLINGS, GUT_GAS = 50, (12.0, 35.0, 160.0), -930
LOOP_WALL, LOOP_FILLINGS = 42, (-850, 20, 150)
RENAL_FAT, SPINAL_CORD, PSOAS = -40, 25, 55
GALL, FISSURE_FAT, CALCIFICATION = 10, -20, 500
TEXTURE = (2, 5)
"""Least and greatest standard deviation of the texture of tissue."""
LESION_CONTRAST, LESIONS_ARE = (60, 85), "darker"
"""Difference of lesions from the liver, and its direction."""

BLOOD, BLOOD_AT_REST, CAVAL_BLOOD = (60, 170), 45, 12
"""Blood with contrast medium, without it, and what the vena cava has more than the aorta."""
LIVER, SPLEEN, KIDNEY = (55, 0.42), (50, 0.5), (40, 0.9)
"""Value at rest, and the share of the blood's enhancement that the organ takes up."""
LIVER_SPREAD = 6
LIVER_VESSELS = (12.0, 0.35)
"""Least contrast of vessels to the liver, and the share of the blood's enhancement that it is otherwise."""

STORED_AS = CTImageStorage
INTERCEPT, WINDOW_CENTER, WINDOW_WIDTH = -1024, 60, 360


@dataclass(frozen=True)
class Scanner:
    """One scanner and its protocol.

    Attributes:
        site: Name of a fictitious hospital.
        manufacturer: As in DICOM headers.
        model: Says that the scanner is synthetic.
        kernel: Name of the reconstruction kernel.
        matrix: Number of rows and of columns.
        field_mm: Edge of the reconstructed square.
        slice_mm: Distance between slice centers.
        psf_mm: Standard deviation of the in-plane blur.
        noise: Standard deviation of the noise in tissue.
        grain_mm: Standard deviation of the kernel that correlates the noise.
        padding: Stored value outside the reconstruction circle, or None when the square is filled.
        signed: Stored as signed integers with intercept 0, else unsigned with `INTERCEPT`.
    """

    site: str
    manufacturer: str
    model: str
    kernel: str
    matrix: int
    field_mm: float
    slice_mm: float
    psf_mm: float
    noise: float
    grain_mm: float
    padding: int | None
    signed: bool


SCANNERS = (
    Scanner("Northhaven", "SIEMENS", "SYNTHETIC CT ONE", "B30f", 96, 264, 5.5, 1.2, 10, 1.7, None, False),
    Scanner(
        "Eastvale",
        "GE MEDICAL SYSTEMS",
        "SYNTHETIC CT TWO",
        "STANDARD",
        88,
        260,
        5.5,
        1.4,
        12,
        1.9,
        -2000,
        True,
    ),
    Scanner("Southmere", "Philips", "SYNTHETIC CT THREE", "C", 92, 268, 5.5, 0.9, 14, 1.3, None, False),
)


def enhanced(organ: tuple[float, float], blood: float) -> float:
    """Return the value of an organ (at rest, uptake) where blood has the value `blood`."""
    at_rest, uptake = organ
    return at_rest + uptake * (blood - BLOOD_AT_REST)


def acquisition(scanner: Scanner) -> dict[str, str | UID]:
    """Return the DICOM attributes of the modality, by keyword."""
    return {
        "SOPClassUID": STORED_AS,
        "Modality": MODALITY,
        "KVP": "120",
        "ConvolutionKernel": scanner.kernel,
    }
