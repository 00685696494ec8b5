"""MetaImage headers that lie are refused with their reason."""

from __future__ import annotations

import pytest

from medcl.archive.formats import metaimage
from medcl.archive.storage.open_file import SourceFile
from tests.archive.formats import volumes
from tests.archive.formats.in_memory import in_memory
from tests.archive.formats.volumes import refusal

WRITTEN = volumes.written()


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"DimSize = 7 6 5", b"DimSize = 70000 60000 5", "TOO_LARGE"),
        (b"DimSize = 7 6 5", b"DimSize = 7 6", "BAD_HEADER"),
        (b"DimSize = 7 6 5", b"DimSize = 7 -6 5", "BAD_HEADER"),
        (b"MET_SHORT", b"MET_NOTHING", "UNSUPPORTED_DTYPE"),
        (b"LOCAL", b"LIST", "DATA_SPREAD"),
        (b"LOCAL", b"slice%03d.raw", "DATA_SPREAD"),
        (b"ElementSpacing =", b"ElementSpacing = 0 1 1\nComment =", "AFFINE_DEGENERATE"),
        (b"ObjectType = Image", b"ObjectType = Scene", "NOT_AN_IMAGE"),
    ],
)  # fmt: skip
def test_headers_of_metaimage_that_lie_are_refused(old: bytes, new: bytes, code: str) -> None:
    content = WRITTEN["mha-little"][1]["a.mha"].replace(old, new)
    assert refusal(content, metaimage) == code


def written(fields: str, voxels: bytes = b"") -> SourceFile:
    return in_memory(fields.encode() + b"ElementDataFile = LOCAL\n" + voxels)


def test_an_image_has_rows_columns_and_spacing() -> None:
    head = "NDims = 2\nDimSize = 4 3\nElementType = MET_UCHAR\nElementSpacing = 0.5 0.7\n"
    scan = metaimage.load(written(head, bytes(range(12))), "")
    assert scan.array.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert (scan.affine, scan.spacing_mm) == (None, (0.7, 0.5))


def test_color_and_channels_are_told_apart_by_type_and_number() -> None:
    head = "NDims = 2\nDimSize = 2 2\nElementType = MET_UCHAR\nElementNumberOfChannels = {}\n"
    (color,) = metaimage.inspect(written(head.format(3), bytes(12)))
    assert color.shape == (2, 2, 3)
    channels = metaimage.inspect(written(head.format(2), bytes(8)))
    assert [info.part for info in channels] == ["channel:0", "channel:1"]


def test_a_volume_without_directions_says_so() -> None:
    head = "NDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"
    (info,) = metaimage.inspect(written(head, bytes(8)))
    assert set(info.flags) == {"XFORM_UNKNOWN", "SPACING_UNKNOWN"}


def test_text_that_only_begins_like_a_header_is_no_image() -> None:
    assert refusal(b"Comment = a letter\nnot a field\n", metaimage) == "NOT_AN_IMAGE"
    assert refusal(b"NDims = 3\nDimSize = 2 2 2\n", metaimage) == "BAD_HEADER"
