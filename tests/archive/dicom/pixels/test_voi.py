"""Windows and tables of projections (PS3.3 C.11.2), and images that keep their values."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes
from medcl.archive.dicom.pixels.voi import apply_voi
from medcl.archive.dicom.tags import VOI_LUT_FUNCTION, WINDOW_CENTER, WINDOW_WIDTH
from medcl.testing.phantom import encoded
from medcl.testing.traps.images import projection
from tests.archive.dicom.samples import Read

VALUES = np.array([[0, 100, 200, 300, 400]], np.uint16)


class Header(Elements):
    """Elements with items of a VOI table."""

    table: Dataset | None = None

    def items(self, tag: int) -> list[Any]:
        return [] if self.table is None else [self.table]


def shown(
    center: bytes = b"200", width: bytes = b"201", function: bytes = b"", bits: int = 12, **shared: Any
) -> np.ndarray | None:
    values = {WINDOW_CENTER: center, WINDOW_WIDTH: width, VOI_LUT_FUNCTION: function}
    header = Header(io.BytesIO(), 0, values=values)
    return apply_voi(VALUES, header, Attributes(**({"modality": "DX", "bits_stored": bits} | shared)))


def test_a_linear_window_is_that_of_the_standard() -> None:
    result = shown()
    assert result is not None
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result[0], np.round(np.clip((VALUES[0] - 199.5) / 200 + 0.5, 0, 1) * 4095))


def test_other_functions_have_their_own_formula() -> None:
    exact, sigmoid = shown(width=b"200", function=b"LINEAR_EXACT"), shown(width=b"200", function=b"SIGMOID ")
    assert exact is not None
    assert sigmoid is not None
    assert exact[0].tolist() == [0, 0, 2048, 4095, 4095]
    np.testing.assert_allclose(
        sigmoid[0], 4095 / (1 + np.exp(-4 * (VALUES[0].astype(float) - 200) / 200)), atol=1
    )


def test_8_bits_stay_8_bits_and_more_than_16_become_16() -> None:
    eight, wide = shown(bits=8), shown(bits=32)
    assert eight is not None
    assert wide is not None
    assert (eight.dtype, eight.max()) == (np.uint8, 255)
    assert (wide.dtype, wide.max()) == (np.uint16, 65535)


@pytest.mark.parametrize(
    ("center", "width", "function"),
    [
        (b"", b"200", b""),
        (b"200", b"", b""),
        (b"200", b"0", b""),
        (b"200", b"1", b"LINEAR"),
        (b"200", b"-5", b"SIGMOID"),
        (b"abc", b"200", b""),
        (b"9000", b"10", b""),
    ],
)
def test_a_window_that_is_unusable_or_shows_nothing_is_none(
    center: bytes, width: bytes, function: bytes
) -> None:
    assert shown(center, width, function) is None


@pytest.mark.parametrize(
    "shared", [{"modality": "CT"}, {"modality": "MR"}, {"modality": "US"}, {"presentation": "FOR PROCESSING"}]
)
def test_measured_values_and_raw_ones_are_not_windowed(shared: dict[str, str]) -> None:
    assert shown(**shared) is None


def test_a_table_comes_before_the_window() -> None:
    header = Header(io.BytesIO(), 0, values={WINDOW_CENTER: b"200", WINDOW_WIDTH: b"201"})
    header.table = Dataset()
    header.table.LUTDescriptor = [3, 199, 8]
    header.table.LUTData = [0, 51, 255]
    result = apply_voi(VALUES, header, Attributes(modality="MG", bits_stored=12))
    assert result is not None
    assert result[0].tolist() == [0, 0, 819, 4095, 4095]
    header.table.LUTData = [0]
    assert apply_voi(VALUES, header, Attributes(modality="MG", bits_stored=12)) is None


STORED = (np.arange(32)[:, None] * 128 + np.arange(40)).astype(np.uint16) % 4096
SQUARES = (np.arange(4096.0) ** 2 / 4095).astype(np.uint16)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_entries_of_a_table_say_how_deep_it_is(bits: int) -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, bits]
    item.add_new("LUTData", "OW", SQUARES.tobytes())
    (scan,) = Read({"a": encoded(projection(STORED, VOILUTSequence=Sequence([item])))}).scans
    assert "VOI_APPLIED" in scan.flags
    np.testing.assert_array_equal(scan.array, SQUARES[STORED])
