"""Pairs of header and data file, and Analyze, which states no directions."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from medcl.archive import read, scan_archive
from medcl.archive.flags import Rejected
from medcl.archive.formats import pairs
from medcl.archive.storage.open_file import SourceFile
from medcl.errors import UsageError
from tests.archive.formats import volumes
from tests.archive.formats.volumes import put


@pytest.mark.parametrize("order", ["<", ">"])
def test_analyze_has_sizes_but_no_directions(order: str, tmp_path: Path) -> None:
    catalog = scan_archive([put(tmp_path / "archive", volumes.analyze(order))], tmp_path / "catalog")
    scan = read(catalog, catalog.scans["scan"][0])
    assert (scan.array == volumes.voxels()).all()
    assert np.allclose(scan.spacing_mm, [0.9, 1.4, 3.1])
    assert "XFORM_UNKNOWN" in scan.flags
    with pytest.raises(UsageError):
        scan_archive([tmp_path / "archive"], tmp_path / "strict", accept="strict")


def put_pair(folder: Path, name: str, suffixes: tuple[str, str] = (".hdr", ".img")) -> SourceFile:
    pair = volumes.analyze()
    for content, suffix in zip(pair.values(), suffixes, strict=True):
        (folder / f"{name}{suffix}").write_bytes(content)
    path = folder / f"{name}{suffixes[0]}"
    return SourceFile(str(path), "", path.stat().st_size, 0)


def test_the_data_file_has_the_name_of_its_header_in_any_case(tmp_path: Path) -> None:
    for name, suffixes in (("a", (".hdr", ".img")), ("b", (".HDR", ".IMG")), ("c", (".hdr", ".Img"))):
        file = put_pair(tmp_path, name, suffixes)
        (info,) = pairs.inspect(file)
        assert info.data is not None
        assert info.data.path == str(tmp_path / f"{name}{suffixes[1]}")
        assert (pairs.load(file, "").array == volumes.voxels()).all()


def test_a_header_that_is_cut_off_or_lies_about_its_offset_is_refused(tmp_path: Path) -> None:
    file = put_pair(tmp_path, "a")
    content = (tmp_path / "a.hdr").read_bytes()
    (tmp_path / "a.hdr").write_bytes(content[:300])
    with pytest.raises(Rejected, match="TRUNCATED"):
        pairs.inspect(file)
    lying = bytearray(content)
    struct.pack_into("<f", lying, 108, -5.0)
    (tmp_path / "a.hdr").write_bytes(lying)
    with pytest.raises(Rejected, match="BAD_HEADER"):
        pairs.inspect(file)
