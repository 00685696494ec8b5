"""Where voxels are is private, what they are is not."""

from __future__ import annotations

from medcl.archive.formats.scan_info import DataFile, ScanInfo


def test_a_path_does_not_show_in_the_representation() -> None:
    data = DataFile("/data/Jane_Doe/scan.raw", "3:Jane/scan.raw", 10, 0, "abc")
    info = ScanInfo("", "nrrd", "volume", (1, 2, 3), None, "a.u.", (), data=data)
    assert "Jane" not in repr(info)
    assert "abc" in repr(info)
    assert info == ScanInfo("", "nrrd", "volume", (1, 2, 3), None, "a.u.", (), data=data)
