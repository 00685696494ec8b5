"""Files that are not read are named by their content."""

from __future__ import annotations

import pytest

from medcl.archive.formats.refused import HDF5_MAGIC, refusal


@pytest.mark.parametrize("offset", [0, 512, 1024, 2048])
def test_hdf5_is_named_wherever_its_block_begins(offset: int) -> None:
    assert refusal(bytes(offset) + HDF5_MAGIC + bytes(100), "volume.h5") == "HDF5"


def test_minc_2_is_told_from_other_hdf5() -> None:
    assert refusal(HDF5_MAGIC + bytes(100) + b"minc-2.0\0" + bytes(100), "brain.mnc") == "MINC"


def test_matlab_7_3_is_hdf5() -> None:
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + HDF5_MAGIC
    assert refusal(head, "a.mat") == "HDF5"
