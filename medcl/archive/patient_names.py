"""Words and numbers in the names of folders and files that say which patient, sequence or view they hold."""

from __future__ import annotations

import re

SEQUENCES = frozenset(
    {
        "adc",
        "asl",
        "bold",
        "bravo",
        "ct",
        "ctp",
        "cta",
        "dce",
        "dti",
        "dwi",
        "fa",
        "flair",
        "gre",
        "md",
        "mprage",
    }
    | {"mr", "mra", "mri", "pd", "pdw", "perf", "pet", "rcbv", "space", "swi", "t1", "t1c", "t1ce", "t1gd"}
    | {"t1km", "t1n", "t1post", "t1w", "t2", "t2f", "t2flair", "t2star", "t2w", "tof"}
)
"""Names of sequences and modalities: the channels of one examination of one patient."""

MODALITIES = frozenset({"ct", "mr", "mri", "pet"})
"""Those that are modalities: a folder of one holds images of whomever."""

REPEATED = frozenset({"asl", "bold", "dti", "dwi", "perf"})
"""Sequences whose images are numbered."""

PICTURE = re.compile(r"\.(png|jpe?g|tiff?|bmp|jp2)$", re.I)

VIEWS = frozenset(
    {"left", "right", "l", "r", "lt", "rt", "od", "os", "cc", "mlo", "lcc", "rcc", "lmlo", "rmlo"}
    | {"ap", "pa", "lat", "lateral", "frontal"}
)
"""Names of sides and projections: the views of one examination of one patient."""

PROCESSED = frozenset(
    {"bet", "biascorr", "brain", "masked", "n4", "norm", "pp", "preproc", "preprocessed", "reg", "registered"}
    | {"resampled", "stripped", "unstripped"}
)
"""Words after the sequence of an image that was processed."""

PERSON = re.compile(
    r"(?<![A-Za-z0-9])("
    r"p\d{8}"  # MIMIC-CXR
    r"|\d{3}_S_\d{4,5}|OAS1_\d{4}|OAS[23]_?\d{4}"  # ADNI, OASIS
    r"|TCGA[-_][A-Z0-9]{2}[-_][A-Z0-9]{4}|LIDC-IDRI-\d{4}"
    r"|^(patient|person|subject|subj|participant|pat|pt)[-_ ]?\d+"  # CheXpert, MURA, ACDC
    r")(?![A-Za-z0-9])",
    re.I,
)
"""Names of one patient, in the name of a folder or file."""

NAMED_IMAGE = re.compile(
    r"(\d{8})_\d{3}"  # ChestX-ray14: patient, number of the follow-up
    r"|(?:CNV|DME|DRUSEN|NORMAL|BACTERIA|VIRUS)-(\d{4,})-\d+"  # OCT2017 and its radiographs
    r"|SOB_[BM]_[A-Z]+-(\d\d-\d+[A-Z]*)-\d+-\d+",  # BreakHis
    re.I,
)
"""Whole names of images, with the patient as their group."""
