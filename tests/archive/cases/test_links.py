"""Archives of links: each file once, under the link's name, and what is not fetched is named."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcl.archive import Catalog, read, scan_archive
from medcl.errors import UsageError
from medcl.store import prepare, read_labels
from tests.archive.samples import nifti_bytes


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def link(path: Path, target: Path | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def label_bytes() -> bytes:
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[2:4, 1:3, 1:3] = 1
    return bytes(nib.Nifti1Image(labels, np.diag([2.0, 2, 3, 1])).to_bytes())


def annex(root: Path, name: str, content: bytes | None, key: str) -> None:
    """Write a file of a DataLad data set: a link to an object, which is absent without content."""
    place = f".git/annex/objects/aB/cD/{key}/{key}"
    if content is not None:
        write(root / place, content)
    link(root / name, os.path.relpath(root / place, (root / name).parent))


def scan(archive: Path, follow_links: bool = True) -> Catalog:
    number = len(list(archive.parent.glob("catalog*")))
    return scan_archive([archive], archive.parent / f"catalog{number}", follow_links=follow_links)


def paths(catalog: Catalog, archive: Path) -> list[str]:
    """Return the paths of all scans inside of the archive."""
    return sorted(os.path.relpath(path, archive) for path in set(catalog.locations()["container"]))


def reasons(catalog: Catalog) -> dict[str, int]:
    counts: dict[str, int] = catalog.summary()["reasons"]
    assert sum(counts.values()) + catalog.summary()["used"] == catalog.summary()["files"]
    return counts


def bids_annex(root: Path) -> None:
    for n in range(1, 4):
        image = f"sub-{n:02d}/anat/sub-{n:02d}_T1w"
        annex(root, f"{image}.nii", nifti_bytes(n), f"MD5E-s1--{n:032x}.nii")
        annex(root, f"{image}.json", b'{"Modality": "MR"}', f"MD5E-s1--{99:032x}.json")
    write(root / ".git/config", b"[core]")


def test_a_data_set_of_datalad_is_read_under_the_names_of_its_links(tmp_path: Path) -> None:
    archive = tmp_path / "ds"
    bids_annex(archive)
    catalog = scan(archive)
    assert paths(catalog, archive) == [f"sub-{n:02d}/anat/sub-{n:02d}_T1w.nii" for n in (1, 2, 3)]
    assert set(catalog.scans["patient_evidence"]) == {"BIDS"}
    assert list(catalog.scans["modality"]) == ["MR"] * 3  # by side-cars, which are one object of three names
    assert catalog.scans["patient"].nunique() == 3
    assert reasons(catalog) == {"SIDECAR": 3, "LINK_REPEATED": 4, "CONTENT_STORE": 1}
    write(tmp_path / "labels.csv", b"patient,label\nsub-01,a\nsub-02,b\nsub-03,b\n")
    assert sorted(read_labels(catalog, tmp_path / "labels.csv").label.values()) == ["a", "b", "b"]
    assert prepare(catalog, tmp_path / "store").record["used"] == 3


def test_one_subject_of_a_data_set_is_read_through_links_that_leave_it(tmp_path: Path) -> None:
    bids_annex(tmp_path / "ds")
    catalog = scan_archive([tmp_path / "ds/sub-02"], tmp_path / "catalog", follow_links=True)
    assert list(catalog.scans["modality"]) == ["MR"]
    assert list(catalog.scans["patient_evidence"]) == ["BIDS"]


def test_without_the_option_the_message_counts_the_links_and_names_it(tmp_path: Path) -> None:
    bids_annex(tmp_path / "ds")
    with pytest.raises(UsageError, match=r"6 SYMLINK \(a symbolic link; scan with --follow-links"):
        scan(tmp_path / "ds", follow_links=False)


def test_content_that_is_not_fetched_is_named_with_what_to_do(tmp_path: Path) -> None:
    archive = tmp_path / "ds"
    annex(archive, "sub-01/a.nii", None, "MD5E-s1--a.nii")
    write(archive / "sub-02/unlocked.nii", b"/annex/objects/MD5E-s1--b.nii\n")
    write(archive / "sub-03/fat.nii", b"../.git/annex/objects/aB/cD/k/k")
    write(archive / "lfs.nii", b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    write(archive / "x.nii.dvc", b"outs:\n- md5: 12ab\n  size: 3\n  path: x.nii\n")
    write(archive / ".y.nii.icloud", b"bplist00" + bytes(40))
    link(archive / "gone.nii", "nowhere.nii")
    link(archive / "self.nii", "self.nii")
    write(archive / "good.nii", nifti_bytes())
    for follow_links in (False, True):
        assert reasons(scan(archive, follow_links)) == {
            **{"ANNEX_NOT_FETCHED": 3, "LFS_NOT_FETCHED": 1, "DVC_POINTER": 1, "CLOUD_PLACEHOLDER": 1},
            "LINK_DANGLING": 2,
        }


def test_a_hugging_face_cache_is_read_under_the_names_of_its_snapshot(tmp_path: Path) -> None:
    archive = tmp_path / "hub"
    data = archive / "datasets--lab--scans"
    for n in range(3):
        blob = write(data / "blobs" / f"{n:064x}", nifti_bytes(n))
        for revision in ("aa11", "bb22"):
            name = data / "snapshots" / revision / f"case_{n}" / "image.nii"
            link(name, os.path.relpath(blob, name.parent))
    catalog = scan(archive)
    prefix = "datasets--lab--scans/snapshots/aa11"
    assert paths(catalog, archive) == [f"{prefix}/case_{n}/image.nii" for n in range(3)]
    assert reasons(catalog) == {"LINK_REPEATED": 6}


def test_a_staged_folder_of_nextflow_is_read(tmp_path: Path) -> None:
    for n in range(4):
        made = write(tmp_path / "work" / f"{n:02x}" / "out.nii", nifti_bytes(n))
        link(tmp_path / "task" / f"sub-0{n}_T1w.nii", made)
    write(tmp_path / "data/dicom/x.nii", nifti_bytes(9))
    link(tmp_path / "task/sub-09", tmp_path / "data/dicom")
    catalog = scan(tmp_path / "task")
    assert catalog.scans["patient"].nunique() == len(catalog.scans) == 5
    assert set(catalog.scans["patient_evidence"]) == {"BIDS"}


def test_links_in_circles_end_and_each_file_is_read_once(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for n, folder in enumerate(("a", "b", "c")):
        write(archive / folder / f"{n}.nii", nifti_bytes(n))
    for source in ("a", "b", "c"):
        for target in ("a", "b", "c"):
            link(archive / source / f"to_{target}", f"../{target}")
    link(archive / "up", "..")
    link(archive / "here", ".")
    link(archive / "root", "/")
    catalog = scan(archive)
    assert len(catalog.scans) == 3
    assert reasons(catalog)["LINK_LOOP"] >= 6


def test_a_link_and_its_target_are_one_scan_whose_patient_either_names(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    write(archive / "sub-01/anat/sub-01_T1w.nii", nifti_bytes(1))
    write(archive / "sub-01/anat/sub-01_T2w.nii", nifti_bytes(2))
    write(archive / "hard.nii", nifti_bytes(3))
    os.link(archive / "hard.nii", archive / "hard2.nii")
    link(archive / "latest.nii", "sub-01/anat/sub-01_T2w.nii")
    catalog = scan(archive)
    assert paths(catalog, archive) == ["hard.nii", "latest.nii", "sub-01/anat/sub-01_T1w.nii"]
    assert reasons(catalog) == {"LINK_REPEATED": 2}
    assert catalog.scans["patient"].nunique() == 2


def test_headers_and_their_voxels_may_be_links_only_where_links_are_followed(tmp_path: Path) -> None:
    header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 4 4\nencoding: raw\ndata file: x.raw\n"
    archive = tmp_path / "ds"
    for n in range(2):
        annex(archive, f"sub-0{n}/x.nhdr", header, "header")
        annex(archive, f"sub-0{n}/x.raw", bytes([n] * 63 + [9]), f"voxels{n}")
    catalog = scan(archive)
    assert sorted(read(catalog, s).array[0, 0, 0] for s in catalog.scans["scan"]) == [0, 1]
    secret = write(tmp_path / "secret", bytes(64))
    write(tmp_path / "plain/x.nhdr", header)
    link(tmp_path / "plain/x.raw", secret)
    with pytest.raises(UsageError, match="DATA_OUTSIDE"):
        scan(tmp_path / "plain", follow_links=False)


def test_equal_masks_of_two_subjects_are_two_masks(tmp_path: Path) -> None:
    archive = tmp_path / "ds"
    for n in range(2):
        annex(archive, f"case{n}/image.nii", nifti_bytes(n), f"image{n}")
        annex(archive, f"case{n}/image_mask.nii", label_bytes(), "mask")
    catalog = scan(archive)
    assert len(catalog.masks) == 2
    assert reasons(catalog) == {"LINK_REPEATED": 3}


def test_a_link_given_as_archive_keeps_its_name(tmp_path: Path) -> None:
    bids_annex(tmp_path / "ds")
    image = tmp_path / "ds/sub-01/anat/sub-01_T1w.nii"
    catalog = scan_archive([image, image.resolve()], tmp_path / "one")
    assert len(catalog.scans) == 1
    catalog = scan_archive([image], tmp_path / "two")
    assert list(catalog.scans["patient_evidence"]) == ["BIDS"]


def test_links_inside_of_a_zip_are_named(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link.nii")
    info.external_attr = 0o120777 << 16
    (tmp_path / "archive").mkdir()
    with zipfile.ZipFile(tmp_path / "archive/x.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
        file.writestr("x.nii", nifti_bytes())
    assert reasons(scan(tmp_path / "archive")) == {"LINK_IN_CONTAINER": 1}


def test_a_changed_target_is_noticed(tmp_path: Path) -> None:
    target = write(tmp_path / "data/x", nifti_bytes(1))
    link(tmp_path / "archive/sub-01.nii", target)
    first = scan(tmp_path / "archive")
    target.write_bytes(nifti_bytes(2, (9, 8, 7)))
    assert list(scan(tmp_path / "archive").scans["shape"]) == ["9x8x7"]
    with pytest.raises(UsageError, match="CHANGED"):
        read(first, first.scans["scan"][0])


NAMES = st.sampled_from(["a", "b", "c"])
TREES = st.lists(
    st.tuples(
        st.lists(NAMES, min_size=1, max_size=3),
        st.sampled_from(["file", "link"]),
        st.lists(NAMES, max_size=3),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
def test_any_tree_of_links_gives_each_file_once(tree: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("tree")
    archive, contents = folder / "archive", set()
    write(archive / "one.nii", nifti_bytes(0))
    for number, (parts, kind, target) in enumerate(tree):
        path = archive.joinpath(*parts)
        try:
            if kind == "link":
                link(path, os.path.relpath(archive.joinpath(*target), os.path.realpath(path.parent)))
            else:
                contents.add(write(path / f"{number}.nii", nifti_bytes(number + 1)).resolve())
        except OSError:  # a place that another link or file has taken
            continue
    catalog = scan(archive)
    read_files = [os.path.realpath(path) for path in catalog.locations()["container"]]
    assert sorted(read_files) == sorted({str(path) for path in contents} | {str(archive / "one.nii")})
    reasons(catalog)
