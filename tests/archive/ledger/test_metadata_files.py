"""JSON files that say something of images, and their reasons in the ledger."""

from __future__ import annotations

import json
from pathlib import Path

from medcl.archive.ledger.examine import FileOutcome, examine_all
from medcl.archive.ledger.metadata_files import Metadata, is_metadata
from medcl.archive.storage.walk import check_roots, walk
from tests.archive.samples import nifti_bytes


def outcomes(folder: Path, files: dict[str, bytes]) -> dict[str, FileOutcome]:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    examined = examine_all(list(walk(check_roots([folder]))))
    return {one.place.split("/")[-1]: one for (one,) in examined}


def test_sidecars_and_descriptions_are_metadata_and_images_are_not(tmp_path: Path) -> None:
    sidecar, dataset = json.dumps({"Modality": "MR"}), json.dumps({"channel_names": {"0": "CT"}})
    files = {"a.nii": nifti_bytes(), "a.json": sidecar.encode(), "dataset.json": dataset.encode()}
    found = outcomes(tmp_path, files)
    assert {name for name, one in found.items() if is_metadata(one)} == {"a.json", "dataset.json"}


def test_a_sidecar_describes_its_volume_and_is_judged_by_its_use(tmp_path: Path) -> None:
    sidecar = json.dumps({"Modality": "MR"}).encode()
    found = outcomes(tmp_path, {"a.nii": nifti_bytes(), "a.json": sidecar, "b.json": sidecar})
    metadata = Metadata(one for one in found.values() if is_metadata(one))
    described = metadata.described(found["a.nii"])
    assert described.sidecar is not None
    assert metadata.judged(found["a.json"]).code == "SIDECAR"
    assert metadata.judged(found["b.json"]).code == "SIDECAR_UNUSED"


def test_a_description_that_contradicts_its_files_says_so(tmp_path: Path) -> None:
    dataset = {"channel_names": {"0": "CT"}, "training": [{"image": "imagesTr/gone.nii"}]}
    found = outcomes(
        tmp_path, {"imagesTr/a.nii": nifti_bytes(), "dataset.json": json.dumps(dataset).encode()}
    )
    metadata = Metadata(one for one in found.values() if is_metadata(one))
    metadata.described(found["a.nii"])
    judged = metadata.judged(found["dataset.json"])
    assert judged.code == "DATASET_JSON_FAULTY"
    assert "DATASET_FILES_MISSING" in judged.flags
