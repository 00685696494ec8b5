"""Closed vocabularies: free text of a DICOM header enters a catalog only as one of these terms."""

from __future__ import annotations

MANUFACTURERS = {
    "siemens": "Siemens", "philips": "Philips", "elscint": "Philips", "picker": "Philips", "adac": "Philips",
    "ge med": "GE", "ge health": "GE", "general electric": "GE", "gems": "GE", "toshiba": "Canon",
    "canon": "Canon", "hitachi": "Fujifilm", "fuji": "Fujifilm", "hologic": "Hologic", "lorad": "Hologic",
    "agfa": "Agfa", "carestream": "Carestream", "kodak": "Carestream", "konica": "Konica Minolta",
    "samsung": "Samsung", "medison": "Samsung", "shimadzu": "Shimadzu", "mindray": "Mindray",
    "united imaging": "United Imaging", "uih": "United Imaging", "neusoft": "Neusoft", "bruker": "Bruker",
    "varian": "Varian", "accuray": "Accuray", "esaote": "Esaote", "acuson": "Siemens", "ctps": "CPS",
    "cps": "CPS", "swissray": "Swissray", "planmed": "Planmed", "ims": "IMS Giotto", "zeiss": "Zeiss",
    "heidelberg": "Heidelberg Engineering", "topcon": "Topcon", "leica": "Leica",
}  # fmt: skip
"""Beginning of a manufacturer's name, in lower case, to the present manufacturer."""

BODY_PARTS = frozenset(
    [
        "ABDOMEN",
        "ABDOMENPELVIS",
        "ANKLE",
        "AORTA",
        "ARM",
        "BLADDER",
        "BRAIN",
        "BREAST",
        "CAROTID",
        "CHEST",
        "CHESTABDOMEN",
        "CHESTABDPELVIS",
        "CLAVICLE",
        "COCCYX",
        "COLON",
        "CSPINE",
        "CTSPINE",
        "EAR",
        "ELBOW",
        "EXTREMITY",
        "EYE",
        "FEMUR",
        "FINGER",
        "FOOT",
        "FOREARM",
        "GALLBLADDER",
        "HAND",
        "HEAD",
        "HEADNECK",
        "HEART",
        "HIP",
        "HUMERUS",
        "IAC",
        "JAW",
        "KIDNEY",
        "KNEE",
        "LARYNX",
        "LEG",
        "LIVER",
        "LSPINE",
        "LSSPINE",
        "LUNG",
        "MAXILLA",
        "MEDIASTINUM",
        "NECK",
        "NECKCHEST",
        "NECKCHESTABDOMEN",
        "NECKCHESTABDPELV",
        "ORBIT",
        "OVARY",
        "PANCREAS",
        "PELVIS",
        "PROSTATE",
        "RECTUM",
        "RIB",
        "SCALP",
        "SCAPULA",
        "SHOULDER",
        "SINUS",
        "SKULL",
        "SPINE",
        "SPLEEN",
        "SSPINE",
        "STERNUM",
        "STOMACH",
        "TESTIS",
        "THIGH",
        "THORAX",
        "THYROID",
        "TLSPINE",
        "TMJ",
        "TOE",
        "TSPINE",
        "UTERUS",
        "WHOLEBODY",
        "WRIST",
        "ZYGOMA",
    ]
)
"""Terms of Body Part Examined (DICOM PS3.16, annex L) in capitals."""

MODALITIES = frozenset(
    [
        "AR",
        "BI",
        "BMD",
        "CR",
        "CT",
        "DG",
        "DX",
        "EC",
        "EM",
        "EPS",
        "ES",
        "GM",
        "IO",
        "IVOCT",
        "IVUS",
        "KER",
        "LEN",
        "LS",
        "MG",
        "MR",
        "NM",
        "OAM",
        "OCT",
        "OP",
        "OPM",
        "OPT",
        "OPTBSV",
        "OPTENF",
        "OPV",
        "OSS",
        "OT",
        "PT",
        "PX",
        "RF",
        "RG",
        "SM",
        "SRF",
        "TG",
        "US",
        "VA",
        "XA",
        "XC",
    ]
)


def manufacturer(name: str) -> str | None:
    """Return the manufacturer of a free-text name, or None when it is not in the vocabulary."""
    lowered = name.strip().lower()
    if lowered == "ge":
        return "GE"
    return next((standard for start, standard in MANUFACTURERS.items() if lowered.startswith(start)), None)


def body_part(name: str) -> str | None:
    """Return the body part in standard spelling, or None when it is not in the vocabulary."""
    term = name.strip().upper().replace(" ", "").replace("_", "")
    return term if term in BODY_PARTS else None


def modality(name: str) -> str:
    """Return the modality code, or `unknown` when it is not in the vocabulary."""
    return name if name in MODALITIES else "unknown"
