"""The rules of image types: what they leave out, and what is wrong with rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.archive.flags import FLAGS
from medcl.archive.vocabulary import MODALITIES
from medcl.errors import UsageError
from medcl.store.image_types import excluding_flag, read_image_types
from medcl.store.left_out import reason_text


def test_derived_alone_leaves_no_radiograph_out() -> None:
    rules = read_image_types()
    for modality in ("CR", "DX", "MG", "US", "OP", "ES", "XC"):
        assert excluding_flag("DERIVED;NO_GEOM", modality, rules) is None
    for modality in ("CT", "MR", "PT", "OT", "unknown"):
        assert excluding_flag("DERIVED", modality, rules) == "DERIVED"
        assert excluding_flag("DERIVED;LOSSY", modality, rules) is None
    assert excluding_flag("SCOUT", "DX", rules) == "SCOUT"


@given(st.sets(st.sampled_from(sorted(FLAGS))), st.sampled_from(sorted(MODALITIES)))
def test_every_excluding_flag_is_one_of_the_scan_and_has_a_text(flags: set[str], modality: str) -> None:
    flag = excluding_flag(";".join(sorted(flags)), modality, read_image_types())
    assert flag is None or (flag in flags and reason_text(flag) != flag)


@pytest.mark.parametrize(
    ("text", "message"),
    [("DERIVD: {}", "no flag"), ("DERIVED: {except_modalities: [XX]}", "no DICOM modality"),
     ("DERIVED: {modalities: [DX]}", "unknown key")],
)  # fmt: skip
def test_faulty_rules_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "types.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_image_types(tmp_path / "types.yaml")


def test_the_first_rule_names_the_reason(tmp_path: Path) -> None:
    (tmp_path / "types.yaml").write_text("LOSSY: {}\nDERIVED:\n  except_modalities: [DX, unknown]\n")
    rules = read_image_types(tmp_path / "types.yaml")
    assert excluding_flag("DERIVED;LOSSY", "CT", rules) == "LOSSY"
    assert excluding_flag("DERIVED", "unknown", rules) is None
    assert excluding_flag("", "CT", rules) is None
