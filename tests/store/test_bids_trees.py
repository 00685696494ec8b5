"""Generated BIDS trees: as many patients as subjects, none of them in two splits, whatever the seed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.archive import scan_archive
from medcl.store import prepare
from tests.archive.volume_files import write_files

SESSIONS = st.lists(st.sampled_from(["", "ses-1", "ses-2", "ses-pre"]), min_size=1, max_size=3, unique=True)
IMAGES = st.lists(
    st.sampled_from(["anat/T1w", "anat/T2w", "perf/asl", "anat/run-1_T1w", "anat/run-2_T1w", "T1w"]),
    min_size=1,
    max_size=3,
    unique=True,
)
DERIVATIVES = st.lists(
    st.sampled_from(["derivatives/prep", "derivatives", "derivatives/a/derivatives/b"]),
    max_size=2,
    unique=True,
)


def place(root: str, subject: str, session: str, image: str) -> str:
    """Return the path of an image in a BIDS tree."""
    folder, _, name = image.rpartition("/")
    stem = "_".join(filter(None, [subject, session, name]))
    return "/".join(filter(None, [root, subject, session, folder, f"{stem}.nii"]))


@given(
    subjects=st.lists(st.tuples(SESSIONS, IMAGES), min_size=3, max_size=5),
    derivatives=DERIVATIVES,
    links=st.sampled_from(["", "hard", "symbolic"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=12, deadline=None)
def test_patients_of_any_bids_tree_are_its_subjects(
    tmp_path_factory: pytest.TempPathFactory,
    subjects: list[tuple[list[str], list[str]]],
    derivatives: list[str],
    links: str,
    seed: int,
) -> None:
    folder, generator = tmp_path_factory.mktemp("bids"), np.random.default_rng(seed)
    originals, repeated = [], []
    for number, (sessions, images) in enumerate(subjects):
        names = [(f"sub-{number}", session, image) for session in sessions for image in images]
        originals += [place("", *name) for name in names]
        repeated += [place(root, *name) for root in derivatives for name in names]
    voxels = {path: generator.integers(1, 4000, (7, 6, 5)).astype(np.int16) for path in originals + repeated}
    archive = write_files(folder / "archive", voxels)
    if links == "hard":  # a copy of every image elsewhere in the tree, as of a tool that stages its input
        for path in originals:
            target = archive / "sourcedata" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(archive / path, target)
    if links == "symbolic":  # content under keys, as DataLad has it
        for number, path in enumerate(originals):
            key = folder / "annex" / f"{number:04d}"
            key.parent.mkdir(exist_ok=True)
            (archive / path).rename(key)
            (archive / path).symlink_to(os.path.relpath(key, (archive / path).parent))
    catalog = scan_archive([archive], folder / "catalog", follow_links=links == "symbolic")
    assert catalog.scans["patient"].nunique() == len(subjects)
    assert set(catalog.scans["patient_evidence"]) == {"BIDS"}
    store = prepare(catalog, folder / "store", seed=seed)
    assert store.record["patients"] == len(subjects)
    used = store.scans[store.scans["split"] != "excluded"]
    assert (used.groupby("patient")["split"].nunique() == 1).all()
    assert len(used) == len(originals)
    assert store.record["left_out"].get("DERIVED", 0) == len(repeated)


def test_derivatives_without_an_original_are_images(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    paths = [place("derivatives/prep", f"sub-{n}", "", "anat/T1w") for n in range(3)]
    paths += [place("", "sub-0", "", "anat/T1w"), "sub-1/anat/sub-1_T1w.json"]
    files = {path: generator.integers(1, 4000, (7, 6, 5)).astype(np.int16) for path in paths[:-1]}
    archive = write_files(tmp_path / "archive", files | {paths[-1]: {"Modality": "MR"}})
    store = prepare(scan_archive([archive], tmp_path / "catalog"), tmp_path / "store")
    assert store.record["used"] == 3
    assert store.record["left_out"] == {"DERIVED": 1}
