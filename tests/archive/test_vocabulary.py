"""Free text enters a catalog only as a known term."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.archive.vocabulary import BODY_PARTS, MANUFACTURERS, MODALITIES, body_part, manufacturer, modality


@pytest.mark.parametrize(
    ("name", "standard"),
    [
        ("SIEMENS", "Siemens"), (" Siemens Healthineers ", "Siemens"), ("GE MEDICAL SYSTEMS", "GE"),
        ("ge", "GE"),
        ("Philips Medical Systems", "Philips"), ("TOSHIBA", "Canon"), ("Gerd Meier", None), ("", None),
        ("medcl phantom", None),
    ],
)  # fmt: skip
def test_manufacturers_are_known_by_the_beginning_of_their_name(name: str, standard: str | None) -> None:
    assert manufacturer(name) == standard


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("chest", "CHEST"),
        (" Whole Body ", "WHOLEBODY"),
        ("C_SPINE", "CSPINE"),
        ("JANE DOE", None),
        ("", None),
    ],
)
def test_body_parts_are_standard_terms_or_nothing(name: str, term: str | None) -> None:
    assert body_part(name) == term


@pytest.mark.parametrize(
    ("name", "code"), [("CT", "CT"), ("ct", "unknown"), ("", "unknown"), ("SEG", "unknown")]
)
def test_modalities_are_codes_or_unknown(name: str, code: str) -> None:
    assert modality(name) == code


@given(st.text(max_size=30))
def test_no_free_text_passes(text: str) -> None:
    assert manufacturer(text) in {None, *MANUFACTURERS.values()}
    assert body_part(text) in {None, *BODY_PARTS}
    assert modality(text) in {"unknown", *MODALITIES}
