"""Who the patient is by path: subjects, cases and folders, never two patients for the files of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.archive.patients import bids_subject, compile_pattern, patient_identifier, patient_of_path
from medcl.errors import UsageError

SAME_PATIENT = [
    (
        "BIDS",
        ["ds/sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz", "ds/sub-01/ses-02/perf/sub-01_ses-02_asl.nii.gz"],
    ),
    (
        "BIDS",
        [
            "ds/sub-01/anat/sub-01_T1w.nii.gz",
            "ds/derivatives/fmriprep/sub-01/anat/sub-01_desc-brain_mask.nii.gz",
        ],
    ),
    ("BIDS", ["ds/rawdata/sub-01/anat/sub-01_T1w.nii.gz", "ds/derivatives/a/derivatives/b/sub-01/x.nii.gz"]),
    ("BIDS", ["ds/sub-01_T1w.nii.gz", "ds/sub-01_T2w.nii.gz"]),
    (
        "BIDS",
        ["ds/sub-NDAR_INV12/ses-baselineYear1Arm1/anat/a.nii.gz", "ds/sub-NDAR_INV12/ses-2/func/b.nii.gz"],
    ),
    ("nnU-Net", ["d/imagesTr/BRATS_001_0000.nii.gz", "d/imagesTr/BRATS_001_0001.nii.gz"]),
    ("nnU-Net", ["d/imagesTr/patient001_frame01_0000.nii.gz", "d/imagesTr/patient001_frame12_0000.nii.gz"]),
    ("Decathlon", ["d/imagesTr/spleen_1.nii.gz", "d/labelsTr/spleen_1.nii.gz"]),
    (
        "folder",
        ["a/BraTS2021_00012/BraTS2021_00012_flair.nii.gz", "a/BraTS2021_00012/BraTS2021_00012_seg.nii.gz"],
    ),
    (
        "folder",
        [
            "a/BraTS-GLI-00001-000/BraTS-GLI-00001-000-t1c.nii.gz",
            "a/BraTS-GLI-00001-001/BraTS-GLI-00001-001-t1n.nii.gz",
        ],
    ),
    (
        "folder",
        [
            "a/brats_2013_pat0001_1/brats_2013_pat0001_1_t1.nii.gz",
            "a/brats_2013_pat0001_2/brats_2013_pat0001_2_t1.nii.gz",
        ],
    ),
    ("folder", ["a/p12/baseline/t1.nii.gz", "a/p12/followup/FLAIR.nii.gz"]),
    ("folder", ["a/p12/20190304/t1.mha", "a/p12/2020-05-06/t2.nrrd"]),
    ("folder", ["a/0012/FLAIR/Image-1.png", "a/0012/T1w/Image-7.png"]),
    ("folder", ["c/train/patient00001/study1/view1_frontal.jpg", "c/valid/patient00001/study2/view2.jpg"]),
    ("folder", ["m/XR_WRIST/patient00011/study1_positive/image1.png", "m/XR_HAND/patient00011/s/image1.png"]),
    ("folder", ["m/files/p10/p10000032/s50414267/02aa804e.jpg", "m/files/p10/p10000032/s5/2a.jpg"]),
    ("folder", ["a/Patient-001/week-000-1/T1.nii.gz", "a/Patient-001/week-044/FLAIR.nii.gz"]),
    ("folder", ["a/ADNI/002_S_0295/MPR/2006-04-18_08_20_30.0/x.nii", "a/ADNI/002_S_0295/y.nii"]),
    (
        "folder",
        ["a/YG_00P8/2010-02-01/YG_00P8_2010_T1.nii.gz", "a/YG_00P8/2011-02-01/YG_00P8_2011_PRE.nii.gz"],
    ),
    ("name", ["x/images_001/00000013_005.png", "x/images_002/00000013_026.png"]),
    ("name", ["x/train/PNEUMONIA/person1_bacteria_1.jpeg", "x/test/PNEUMONIA/person1_virus_6.jpeg"]),
    ("name", ["o/CNV/CNV-1016042-1.jpeg", "o/DRUSEN/DRUSEN-1016042-3.jpeg"]),
    ("name", ["b/40X/SOB_B_A-14-22549AB-40-001.png", "b/100X/SOB_B_A-14-22549AB-100-002.png"]),
    ("channels", ["a/10_left.jpeg", "a/10_right.jpeg"]),
    ("channels", ["a/0123_L_CC.png", "a/0123_R_MLO.png"]),
    ("channels", ["a/IXI-T1/IXI012-HH-1211-T1.nii.gz", "a/IXI-DTI/IXI012-HH-1211-DTI-03.nii.gz"]),
    ("channels", ["a/T1/001.nii.gz", "a/FLAIR/001.nii.gz"]),
    ("channels", ["a/training01_01_flair_pp.nii", "a/training01_02_t2_pp.nii"]),
    ("channels", ["a/UPENN-GBM-00001_11_T1.nii.gz", "a/UPENN-GBM-00001_21_FLAIR.nii.gz"]),
    (
        "channels",
        [
            "a/UCSF-PDGM-0429_nifti/UCSF-PDGM-0429_T1.nii",
            "a/UCSF-PDGM-0429_FU003d_nifti/UCSF-PDGM-0429_FU003d_T1.nii",
        ],
    ),
    ("channels", ["a/UPENN-00001_T1.nii.gz", "a/UPENN-00001_FLAIR.nii.gz"]),
]


@pytest.mark.parametrize(("evidence", "places"), SAME_PATIENT)
def test_files_of_one_patient_are_one_patient(evidence: str, places: list[str]) -> None:
    patients = [patient_of_path(place) for place in places]
    assert {patient.value for patient in patients if patient} == {patients[0].value if patients[0] else None}
    assert patients[0] is not None
    assert patients[0].evidence == evidence


DIFFERENT = [
    ["c/train/patient00001/study1/view1.jpg", "c/train/patient00002/study1/view1.jpg"],
    ["x/00000013_005.png", "x/00000014_005.png"],
    ["a/brats21/T1/001.nii.gz", "a/brats21/T1/002.nii.gz"],
    ["a/10_left.jpeg", "a/11_left.jpeg"],
    ["ds/sub-01/anat/sub-01_T1w.nii.gz", "ds/sub-02/anat/sub-02_T1w.nii.gz"],
    ["ds1/sub-01/anat/sub-01_T1w.nii.gz", "ds2/sub-01/anat/sub-01_T1w.nii.gz"],
    ["d/imagesTr/la_003_0000.nii.gz", "d/imagesTr/la_004_0000.nii.gz"],
    ["d/imagesTr/spleen_1.nii.gz", "d/imagesTr/spleen_10.nii.gz"],
    ["a/case1/t1.nii.gz", "a/case2/t1.nii.gz"],
    ["a/BraTS2021_00012/BraTS2021_00012_flair.nii.gz", "a/BraTS2021_00013/BraTS2021_00013_flair.nii.gz"],
]


@pytest.mark.parametrize("places", DIFFERENT)
def test_files_of_different_patients_are_different(places: list[str]) -> None:
    patients = [patient_of_path(place) for place in places]
    assert None not in patients
    assert len({patient.value for patient in patients if patient}) == len(places)


NOBODY = [
    "a/IMG_0001.png",
    "a/benign/benign (1).png",
    "a/scan.nii.gz",
    "a/normal/0001.jpeg",
    "t1.nii.gz",
    "a/images/t1.nii.gz",
    "a/subject.nii.gz",
    "a/sub-.nii.gz",
    "a/kits19/images/kits19_001.nii.gz",
    "a/CT/0001.png",
    "a/covid19_ct_0001.png",
    "a/patient.png",
    "a/left.png",
]


@pytest.mark.parametrize("place", NOBODY)
def test_a_path_that_names_nobody_says_so(place: str) -> None:
    assert patient_of_path(place) is None


def test_a_pattern_goes_before_every_other_rule() -> None:
    pattern = compile_pattern(r"(?P<site>[A-Z]+)/(?P<patient>\d+)_")
    patient = patient_of_path("root/KH/0042_sub-01/sub-01_T1w.nii.gz", pattern)
    assert patient is not None
    assert (patient.value, patient.evidence) == ("0042", "pattern")
    assert patient_of_path("root/x/IMG_0001.png", pattern) is None
    assert patient_of_path("42_/IMG_0001.png", compile_pattern(r"(\d+)_")) is None  # the archive's own name


@pytest.mark.parametrize("pattern", ["(", ".*", "x?"])
def test_a_pattern_that_cannot_be_meant_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="--patient-pattern"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("P-001", " p-001 "),
        ("MUELLER  1", "Mueller 1"),
        ("Calc-Test_P_00038_LEFT_CC", "Mass-Training_P_00038_RIGHT_MLO_1"),
    ],
)
def test_two_spellings_of_an_identifier_are_one_patient(first: str, second: str) -> None:
    assert patient_identifier(first) == patient_identifier(second)
    assert patient_identifier(first) != patient_identifier(first + "2")


LABEL = st.text("abcXYZ0123456789", min_size=1, max_size=6)


@given(
    subjects=st.sets(LABEL, min_size=1, max_size=8),
    folders=st.lists(
        st.lists(st.sampled_from(["ses-1", "ses-pre", "anat", "func", "micr", "figures"]), max_size=4),
        min_size=1,
        max_size=5,
    ),
    roots=st.lists(
        st.sampled_from(
            [
                "",
                "derivatives/fmriprep/",
                "derivatives/",
                "sourcedata/",
                "rawdata/",
                "derivatives/a/derivatives/b/",
            ]
        ),
        min_size=1,
        max_size=4,
    ),
    suffix=st.sampled_from(["T1w.nii.gz", "desc-brain_mask.nii", "task-rest_bold.nii.gz", "dseg.mgz"]),
)
def test_subjects_of_any_bids_tree_are_its_patients(
    subjects: set[str], folders: list[list[str]], roots: list[str], suffix: str
) -> None:
    patients = {
        patient_of_path(f"tree/{root}{'/'.join([f'sub-{subject}', *levels])}/sub-{subject}_{suffix}")
        for subject in subjects
        for levels in folders
        for root in roots
    }
    assert len(patients) == len(subjects)
    assert {patient.evidence for patient in patients if patient} == {"BIDS"}
    assert bids_subject(f"tree/sub-{min(subjects)}/x.nii") == f"sub-{min(subjects)}"
