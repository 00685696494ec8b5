"""The DICOM files that pydicom ships, grouped once per session."""

from __future__ import annotations

import pytest

from tests.archive.dicom.samples import WHEEL, Folder


@pytest.fixture(scope="session")
def wheel() -> Folder:
    """Return pydicom's own files."""
    return Folder(WHEEL)
