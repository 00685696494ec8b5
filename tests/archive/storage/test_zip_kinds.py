"""Zip files that are documents or programs are named, and the pictures in them are no scans."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from medcl.archive import scan_archive
from medcl.archive.storage.zip_kinds import zip_refusal
from tests.archive.samples import image_bytes

DOCUMENTS = {
    "a.docx": ("[Content_Types].xml", "word/media/image1.png"),
    "a.pptx": ("[Content_Types].xml", "ppt/media/image1.jpeg"),
    "a.xlsx": ("xl/media/image1.png", "[Content_Types].xml"),
    "a.odt": ("mimetype", "Pictures/1.png", "META-INF/manifest.xml"),
    "a.epub": ("mimetype", "META-INF/container.xml", "OEBPS/cover.png"),
    "a.key": ("Index/Document.iwa", "Data/picture.png"),
    "a.jar": ("META-INF/MANIFEST.MF", "logo.png"),
    "a.apk": ("AndroidManifest.xml", "res/icon.png"),
    "a.ipa": ("Payload/x.app/Info.plist", "Payload/x.app/icon.png"),
    "a.whl": ("x-1.dist-info/WHEEL", "x/logo.png"),
}


def zipped(names: tuple[str, ...]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, name in enumerate(names):
            is_image = name.endswith((".png", ".jpeg"))
            archive.writestr(name, image_bytes(number) if is_image else b"<xml/>")
    return buffer.getvalue()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_named_by_its_members_whatever_it_is_called(name: str) -> None:
    content = zipped(DOCUMENTS[name])
    assert zip_refusal(io.BytesIO(content), "case", len(content)) == "OFFICE_DOCUMENT"


@pytest.mark.parametrize("name", ["report/mimetype.png", "key/META-INF.png", "word/media/image1.png"])
def test_a_zip_of_pictures_is_opened(name: str) -> None:
    content = zipped((name,))
    assert zip_refusal(io.BytesIO(content), "a.zip", len(content)) is None


def test_documents_in_folders_zips_and_cut_ones_give_no_scans(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "scan.png").write_bytes(image_bytes(9))
    inner = {name: zipped(names) for name, names in DOCUMENTS.items()}
    for name, content in inner.items():
        (archive / name).write_bytes(content)
    (archive / "cut.docx").write_bytes(inner["a.docx"][:-40])
    with zipfile.ZipFile(archive / "all.zip", "w") as outer:
        outer.writestr("scan.png", image_bytes(8))
        for name, content in inner.items():
            outer.writestr(name, content)
    catalog = scan_archive([archive], tmp_path / "catalog")
    assert len(catalog.scans) == 2
    assert catalog.summary()["reasons"] == {"OFFICE_DOCUMENT": 2 * len(DOCUMENTS) + 1}
