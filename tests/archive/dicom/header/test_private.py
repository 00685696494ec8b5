"""Private elements count only behind their maker's name."""

from __future__ import annotations

import struct
from collections import defaultdict

import pytest

from medcl.archive.dicom.header.private import maker_facts
from medcl.archive.dicom.tags import (
    BLOCK_19,
    BLOCK_43,
    BLOCK_2001,
    BLOCK_2005,
    GE_B_VALUE,
    GE_GRADIENT,
    PHILIPS_B_VALUE,
    PHILIPS_GRADIENT,
    PHILIPS_SCALE_SLOPE,
    SIEMENS_B_VALUE,
    SIEMENS_GRADIENT,
)


def facts(raw: dict[int, bytes], little: bool = True) -> dict[str, object]:
    return maker_facts(defaultdict(bytes, raw), little)


SIEMENS = {
    BLOCK_19: b"SIEMENS MR HEADER",
    SIEMENS_B_VALUE: b"1000",
    SIEMENS_GRADIENT: struct.pack("<3d", 0, 1, 0),
}
GE = {BLOCK_43: b"GEMS_PARM_01", BLOCK_19: b"GEMS_ACQU_01", GE_B_VALUE: b"1000000800\\8\\0\\0"} | dict(
    zip(GE_GRADIENT, (b"0", b"0.6", b"0.8"), strict=True)
)
PHILIPS = {
    BLOCK_2001: b"Philips Imaging DD 001",
    BLOCK_2005: b"Philips MR Imaging DD 001",
    PHILIPS_B_VALUE: struct.pack("<f", 500),
    PHILIPS_SCALE_SLOPE: struct.pack("<f", 0.25),
} | {tag: struct.pack("<f", part) for tag, part in zip(PHILIPS_GRADIENT, (1, 0, 0), strict=True)}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (SIEMENS, {"b_value": 1000, "gradient": (0, 1, 0)}),
        (GE, {"b_value": 800, "gradient": (0, 0.6, 0.8)}),
        (PHILIPS, {"b_value": 500, "gradient": (1, 0, 0), "scale_slope": 0.25}),
        ({}, {}),
    ],
)
def test_each_maker_states_diffusion_in_its_own_way(
    raw: dict[int, bytes], expected: dict[str, object]
) -> None:
    assert facts(raw) == expected


@pytest.mark.parametrize("raw", [SIEMENS, GE, PHILIPS])
def test_elements_without_their_maker_s_name_are_anything(raw: dict[int, bytes]) -> None:
    blocks = {BLOCK_19, BLOCK_43, BLOCK_2001, BLOCK_2005}
    nameless = {tag: value for tag, value in raw.items() if tag not in blocks}
    assert facts(nameless) == {}
    assert facts(nameless | dict.fromkeys(blocks, b"ELSE")) == {}


def test_a_gradient_of_ge_counts_in_diffusion_alone() -> None:
    assert facts(GE | {GE_B_VALUE: b"1000000000"}) == {"b_value": 0}
    assert facts(GE | {BLOCK_19: b""}) == {"b_value": 800}
    assert facts(GE | {GE_GRADIENT[0]: b""}) == {"b_value": 800}


def test_an_unknown_form_is_ignored_whole() -> None:
    assert facts(SIEMENS | {SIEMENS_B_VALUE: b"many"}) == {}


def test_big_endian_numbers_are_read_as_such() -> None:
    raw = PHILIPS | {PHILIPS_B_VALUE: struct.pack(">f", 500)}
    raw |= {tag: raw[tag][::-1] for tag in (*PHILIPS_GRADIENT, PHILIPS_SCALE_SLOPE)}
    assert facts(raw, little=False) == {"b_value": 500, "gradient": (1, 0, 0), "scale_slope": 0.25}
