"""Invariants have a name and a sentence each, and results compare by what was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medcl.views.audit.check_results import NAMES, SENTENCES, CheckResult


def test_every_invariant_has_a_name_and_a_sentence() -> None:
    assert list(NAMES) == list(SENTENCES) == [f"I{number}" for number in range(1, 23)]
    assert len(set(NAMES.values())) == len(NAMES)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_a_result_is_named_and_compared_without_its_pictures() -> None:
    result = CheckResult("I3", "0 of 8 views mirrored", "0", True)
    assert result.name == "laterality"
    assert replace(result, pictures=(("worst", np.zeros((2, 2))),)) == result
    assert replace(result, figure="1 of 8") != result
    with pytest.raises(KeyError):
        _ = CheckResult("I99", "", "", True).name
