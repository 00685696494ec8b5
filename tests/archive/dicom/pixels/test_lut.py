"""Look-up tables: inputs, ends, widths and byte orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medcl.archive.dicom.pixels.lut import LookupTable


def table(descriptor: list[int], data: Any, signed: bool = False, little: bool = True) -> LookupTable:
    return LookupTable.of({"LUTDescriptor": descriptor, "LUTData": data}, signed, little)


def test_inputs_beyond_the_table_take_its_ends() -> None:
    lut = table([3, 10, 16], [100, 200, 300])
    assert lut(np.array([[-5, 10], [11, 99]])).tolist() == [[100, 100], [200, 300]]
    assert lut(np.array([10.4, 10.6])).tolist() == [100, 200]
    assert (lut.bits, lut.values.dtype) == (16, np.int32)


def test_a_count_of_zero_is_65536() -> None:
    lut = table([0, 0, 16], np.arange(65536, dtype="<u2").tobytes())
    assert lut(np.array([65535])).tolist() == [65535]


def test_the_first_input_is_signed_where_inputs_are() -> None:
    assert table([2, 65534, 8], [1, 2], signed=True).first == -2
    assert table([2, 65534, 8], [1, 2], signed=False).first == 65534


def test_data_may_be_bytes_of_either_order_or_of_8_bits() -> None:
    for order, little in (("<u2", True), (">u2", False)):
        assert table([3, 0, 16], np.array([1, 2, 300], order).tobytes(), little=little).values.tolist() == [
            1,
            2,
            300,
        ]
    assert table([4, 0, 8], bytes([1, 2, 3, 255])).values.tolist() == [1, 2, 3, 255]
    assert table([1, 0, 8], 7).values.tolist() == [7]


@pytest.mark.parametrize("data", [[1, 2], b"\1\0\2\0", b""])
def test_a_table_that_is_cut_off_is_none(data: Any) -> None:
    with pytest.raises(ValueError, match="cut off"):
        table([5, 0, 16], data)


def test_a_table_without_descriptor_is_none() -> None:
    with pytest.raises(TypeError):
        LookupTable.of({}, False, True)
