"""Canaries in every place that could name a person: none may appear in anything that medcl writes or says."""

from __future__ import annotations

import gzip
import json
import logging
import os
import stat
import threading
import warnings
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, generate_uid

from medcl.archive import ArchiveError, Catalog, convert, explain_scan, read_all, scan_archive
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.patients import patient_identifier
from medcl.archive.privacy import pseudonym, silenced_loggers
from medcl.archive.storage.walk import Entry, Root
from medcl.errors import UsageError
from medcl.store import prepare
from medcl.testing import phantom
from medcl.testing.traps.images import projection
from tests.archive.canaries import CANARY, TEXT_VRS, TEXTS, assert_clean, canary_slice, outputs
from tests.archive.samples import image_bytes, nifti_bytes
from tests.killable import start_function


def nameless_syntax(ds: Dataset) -> bytes:
    """Return a compressed file whose transfer syntax is a name."""
    ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    ds.PixelData = encapsulate([b"\1\2\3\4"])
    ds["PixelData"].is_undefined_length = True
    content = phantom.encoded(ds)
    return content.replace(
        JPEG2000Lossless.encode(), f"1.2.{CANARY}".ljust(len(JPEG2000Lossless), ".").encode()
    )


def plant(archive: Path) -> None:
    """Write an archive whose contents, names and folders all hold the canary."""
    folder = archive / f"{CANARY} folder"
    folder.mkdir(parents=True)
    series = generate_uid()
    for number in range(6):
        canary_slice(number, series).save_as(folder / f"{CANARY}{number}.dcm", enforce_file_format=True)
    (folder / f"{CANARY} cut.dcm").write_bytes((folder / f"{CANARY}0.dcm").read_bytes()[:-20])
    (folder / "unknown syntax").write_bytes(nameless_syntax(canary_slice(0, generate_uid())))
    image = nib.Nifti1Image(np.ones((5, 5, 5), np.int16), np.eye(4))
    image.header["descrip"] = CANARY.encode()
    image.header["intent_name"] = CANARY.encode()
    image.header["aux_file"] = CANARY.encode()
    image.header["db_name"] = CANARY.encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", CANARY.encode()))
    (folder / f"sub-{CANARY}").mkdir()
    (folder / f"sub-{CANARY}" / f"{CANARY}.nii").write_bytes(image.to_bytes())
    broken = np.full((5, 5, 5), np.nan, np.float32)
    (folder / f"{CANARY}_nan.nii.gz").write_bytes(
        gzip.compress(nib.Nifti1Image(broken, np.eye(4)).to_bytes())
    )
    (folder / f"{CANARY}_cut.nii").write_bytes(nifti_bytes()[:360])
    (folder / f"{CANARY}.png").write_bytes(image_bytes())
    (folder / f"{CANARY}_cut.jpg").write_bytes(image_bytes(kind="JPEG")[:-50])
    (folder / f"{CANARY}.txt").write_text(CANARY)
    with zipfile.ZipFile(folder / f"{CANARY}.zip", "w") as packed:
        packed.writestr(f"{CANARY}/{CANARY}.png", image_bytes(3))


def test_the_canaries_are_planted() -> None:
    assert {pydicom.datadict.dictionary_VR(keyword) for keyword in TEXTS} == TEXT_VRS
    assert str(canary_slice(0, "1.2")).count(CANARY) >= len(TEXTS) + 6
    with pytest.raises(AssertionError):
        assert_clean(b"..." + CANARY.encode("utf-16-le"), "bait")


def test_no_canary_reaches_an_output_a_log_or_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], private_home: Path
) -> None:
    plant(tmp_path / "archive")
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        catalog = scan_archive([tmp_path / "archive"], tmp_path / "out" / "catalog")
        errors = [str(result) for _, result in read_all(catalog) if isinstance(result, ArchiveError)]
        convert(catalog, tmp_path / "out" / "converted")
        texts += [explain_scan(catalog, scan) for scan in catalog.scans["scan"]]
    assert len(errors) == 2
    assert set(catalog.summary()["missing_decoders"]) == {"unknown"}
    assert set(catalog.scans["source"]) == {"dicom", "nifti", "image"}
    texts += [str(warning.message) for warning in caught]
    texts += [*errors, json.dumps(catalog.summary()), repr(catalog), caplog.text, *capfd.readouterr()]
    for name, content in outputs(tmp_path / "out") + [("said", text.encode()) for text in texts]:
        assert_clean(content, name)
    for name, content in outputs(private_home / "index"):
        if not name.startswith("chunk"):
            assert_clean(content, name)


def test_errors_about_archive_files_hold_pseudonyms_only(tmp_path: Path) -> None:
    plant(tmp_path / "archive")
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    for path in catalog.locations()["container"].unique():
        Path(path).write_bytes(b"changed")
    errors = [result for _, result in read_all(catalog) if isinstance(result, Exception)]
    assert len(errors) == len(catalog.scans)
    for error in errors:
        assert_clean(str(error).encode(), "error")
        assert error.__cause__ is None
        assert error.__suppress_context__


def test_pseudonyms_need_the_key_and_differ_by_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, private_home: Path
) -> None:
    first = pseudonym("patient", "Smith")
    assert first == pseudonym("patient", "Smith")
    assert first.startswith("p-")
    assert len(first) == 18
    assert pseudonym("file", "Smith")[2:] != first[2:]
    key = private_home / "pseudonym.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "other"))
    assert pseudonym("patient", "Smith") != first


def test_another_home_gives_other_pseudonyms_in_the_same_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path / "archive")
    first = scan_archive([tmp_path / "archive"], tmp_path / "first").scans
    monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "other"))
    second = scan_archive([tmp_path / "archive"], tmp_path / "second").scans
    for column in ("patient", "study", "series", "site"):
        assert set(first[column].dropna()).isdisjoint(second[column].dropna()), column
    again = scan_archive([tmp_path / "archive"], tmp_path / "third").scans
    assert again.equals(second)


def test_libraries_are_silent_with_all_their_loggers(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    names = ("pydicom", "pydicom.pixels.utils", "pydicom.made.later", "PIL.PngImagePlugin", "nibabel.global")
    with silenced_loggers():
        for name in names:
            logging.getLogger(name).warning(CANARY)
    assert_clean(caplog.text.encode() + "".join(capfd.readouterr()).encode(), "a log")
    logging.getLogger("pydicom.pixels.utils").warning("heard again")
    assert "heard again" in caplog.text


def test_silence_lasts_until_the_last_thread_leaves(caplog: pytest.LogCaptureFixture) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with silenced_loggers():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(10)
    with silenced_loggers():
        pass
    logging.getLogger("pydicom").warning(CANARY)
    leave.set()
    thread.join()
    logging.getLogger("pydicom").warning("heard again")
    assert CANARY not in caplog.text
    assert "heard again" in caplog.text


def test_a_path_is_in_no_repr() -> None:
    entry = Entry(Root(f"/{CANARY}", CANARY), f"/{CANARY}/x", 3, 4)
    assert_clean(repr(FileOutcome(entry, f"0:{CANARY}", 3, "used")).encode(), "a repr")


def test_a_patient_has_one_pseudonym_whatever_the_spaces(tmp_path: Path) -> None:
    for number, patient in enumerate(["A1", " A1", "A1 "]):
        series = generate_uid()
        for step in range(4):
            ds = canary_slice(step, series)
            ds.PatientID = patient
            (tmp_path / "archive").mkdir(exist_ok=True)
            ds.save_as(tmp_path / "archive" / f"{number}{step}", enforce_file_format=True)
    scans = scan_archive([tmp_path / "archive"], tmp_path / "catalog").scans
    assert len(scans) == 3
    assert set(scans["patient"]) == {pseudonym("patient", patient_identifier("A1"))}


def write_pseudonym(home: Path, path: Path) -> None:
    os.environ["MEDCL_HOME"] = str(home)
    try:
        path.write_text(pseudonym("patient", "x"))
    except UsageError as error:
        path.write_text(str(error))


def test_a_broken_key_is_refused_and_many_processes_agree_on_one(tmp_path: Path) -> None:
    home, texts = tmp_path / "fresh", [tmp_path / f"{number}.txt" for number in range(5)]
    for process in [start_function(write_pseudonym, home, text) for text in texts[:4]]:
        process.join()
    assert len({text.read_text() for text in texts[:4]}) == 1
    assert len(list(home.iterdir())) == 1
    (home / "pseudonym.key").write_bytes(b"short")
    start_function(write_pseudonym, home, texts[4]).join()
    assert "not a pseudonym key" in texts[4].read_text()


def test_a_catalog_without_its_locator_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "archive")
    folder = scan_archive([tmp_path / "archive"], tmp_path / "catalog").folder
    monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(UsageError, match="locator is not on this machine"):
        Catalog.open(folder).locations()


def test_images_that_may_hold_text_are_not_drawn(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    for number, kind in enumerate(("DX", "US", "US")):
        pixels = np.random.default_rng(number).integers(0, 4000, (24, 24)).astype(np.uint16)
        ds = projection(pixels, kind, SOPInstanceUID=generate_uid())
        (archive / f"{number}").write_bytes(phantom.encoded(ds))
    store = prepare(scan_archive([archive], tmp_path / "catalog"), tmp_path / "store")
    (shown,) = store.showable()
    assert store.scans["modality"].iloc[shown] == "DX"
    (archive / "0").unlink()
    risky = prepare(scan_archive([archive], tmp_path / "catalog2"), tmp_path / "store2")
    with pytest.raises(UsageError, match="BURNED_IN_RISK"):
        risky.showable()
