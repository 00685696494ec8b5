"""MGH: sizes, directions, and files that only look like it."""

from __future__ import annotations

import pytest

from medcl.archive.formats import mgh
from tests.archive.formats import volumes
from tests.archive.formats.in_memory import in_memory
from tests.archive.formats.volumes import refusal

WRITTEN = volumes.written()


def test_absurd_sizes_of_mgh_are_refused() -> None:
    content = bytearray(WRITTEN["mgh"][1]["a.mgh"])
    content[4:16] = b"\0\0\x7f\xff" * 3
    assert refusal(bytes(content), mgh) == "TOO_LARGE"


def header(geometry: bool = True) -> bytearray:
    content = bytearray(WRITTEN["mgh"][1]["a.mgh"])
    content[28:30] = (1 if geometry else 0).to_bytes(2, "big")
    return content


def test_without_directions_a_file_is_taken_as_coronal_and_says_so() -> None:
    (info,) = mgh.inspect(in_memory(bytes(header(geometry=False))))
    assert {"XFORM_UNKNOWN", "SPACING_UNKNOWN"} <= set(info.flags)
    assert info.spacing_mm == (1, 1, 1)


@pytest.mark.parametrize("change", [{20: b"\0\0\0\x63"}, {4: b"\0\0\0\0"}])
def test_what_only_begins_like_mgh_is_of_no_format(change: dict[int, bytes]) -> None:
    content = header()
    for at, value in change.items():
        content[at : at + len(value)] = value
    assert refusal(bytes(content), mgh) == "UNKNOWN_FORMAT"
    assert refusal(bytes(content[:100]), mgh) == "UNKNOWN_FORMAT"


def test_numbers_that_are_none_are_no_affine() -> None:
    content = header()
    content[30:34] = b"\x7f\xc0\0\0"
    assert refusal(bytes(content), mgh) == "AFFINE_DEGENERATE"
