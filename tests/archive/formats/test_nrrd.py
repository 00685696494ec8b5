"""NRRD: headers that lie, spaces without directions, and further axes."""

from __future__ import annotations

import numpy as np
import pytest

from medcl.archive.formats import nrrd
from tests.archive.formats import volumes
from tests.archive.formats.in_memory import in_memory
from tests.archive.formats.volumes import refusal

WRITTEN = volumes.written()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"sizes: 7 6 5", b"sizes: 70000 60000 5", "TOO_LARGE"),
        (b"sizes: 7 6 5", b"sizes: 7 6", "BAD_HEADER"),
        (b"endian: little\n", b"", "BAD_HEADER"),
        (b"encoding: raw", b"encoding: hex", "NRRD_ENCODING"),
        (b"type: short", b"type: block", "UNSUPPORTED_DTYPE"),
    ],
)
def test_headers_of_nrrd_that_lie_are_refused(old: bytes, new: bytes, code: str) -> None:
    assert refusal(WRITTEN["nrrd-raw-little"][1]["a.nrrd"].replace(old, new), nrrd) == code


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-left-handed", "sideways-up-down"])
def test_a_space_without_directions_is_flagged(space: str) -> None:
    content = WRITTEN["nrrd-raw-little"][1]["a.nrrd"].replace(b"left-posterior-superior", space.encode())
    assert "XFORM_UNKNOWN" in nrrd.inspect(in_memory(content))[0].flags


@pytest.mark.parametrize(
    ("kind", "part"), [("vector", "channel:1"), ("list", "channel:1"), ("time", "frame:1")]
)
@pytest.mark.parametrize("first", [True, False])
def test_further_axes_of_nrrd_are_scans_of_their_own(kind: str, part: str, first: bool) -> None:
    array = np.stack([volumes.voxels(), volumes.voxels() + 1000])
    array = array if first else np.moveaxis(array, 0, -1)
    plain = WRITTEN["nrrd-raw-little"][1]["a.nrrd"].partition(b"\n\n")[0] + b"\n\n"
    sizes, kinds, none = ("2 7 6 5", f"{kind} domain domain domain", b"directions: none (")
    if not first:
        sizes, kinds, none = "7 6 5 2", f"domain domain domain {kind}", b"directions: ("
    head = plain.replace(b"dimension: 3", b"dimension: 4").replace(
        b"sizes: 7 6 5", f"sizes: {sizes}".encode()
    )
    head = head.replace(b"directions: (", none).replace(
        b"kinds: domain domain domain", f"kinds: {kinds}".encode()
    )
    if not first:
        head = head.replace(b"\nkinds", b" none\nkinds")
    file = in_memory(head + volumes.stored(array, "<"))
    scans = nrrd.inspect(file)
    assert [scan.part for scan in scans] == [part.replace("1", "0"), part]
    single = nrrd.load(in_memory(WRITTEN["nrrd-raw-little"][1]["a.nrrd"]), "")
    assert (nrrd.load(file, part).array == single.array + 1000).all()


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1.0), ("um", 0.001), ("cm", 10.0)])
def test_lengths_become_millimeters(unit: str, scale: float) -> None:
    content = WRITTEN["nrrd-raw-little"][1]["a.nrrd"].replace(b'"mm"', f'"{unit}"'.encode())
    (info,) = nrrd.inspect(in_memory(content))
    assert info.spacing_mm is not None
    assert sorted(info.spacing_mm) == pytest.approx([0.9 * scale, 1.4 * scale, 3.1 * scale])


def test_comments_and_keys_with_values_are_no_fields() -> None:
    content = WRITTEN["nrrd-raw-little"][1]["a.nrrd"].replace(b"who:=nobody", b"# sizes: 1 1 1\nsizes:=9 9 9")
    (info,) = nrrd.inspect(in_memory(content))
    assert sorted(info.shape) == [5, 6, 7]
