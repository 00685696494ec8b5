"""The policy of a modality, and the flags of what scans do not say."""

from __future__ import annotations

import pandas as pd
import pytest

from medcl.views import flags, load_policy, policy_for
from tests.views.phantoms import image_store


def table(modality: str | None, count: int = 2) -> pd.DataFrame:
    return pd.DataFrame({"modality": [modality] * count})


@pytest.mark.parametrize(
    ("modality", "name"), [("CT", "ct"), ("DX", "cxr"), ("PT", "pet"), ("MG", "mammography")]
)
def test_a_modality_finds_its_policy(modality: str, name: str) -> None:
    assert policy_for(table(modality)).name == name


@pytest.mark.parametrize("modality", [None, "unknown", "ECG"])
def test_what_is_not_known_gets_the_strictest_policy(modality: str | None) -> None:
    assert policy_for(table(modality)).name == "unknown"
    assert policy_for(pd.concat([table("CT"), table("MR")])).name == "unknown"
    assert policy_for(pd.concat([table("CT"), table(modality)])).name == "unknown"


def test_flags_say_what_is_not_known() -> None:
    store = image_store(2)
    store.rows[0]["modality"] = "unknown"
    meanings = flags(load_policy("ct"), store, [0, 1], 32)
    assert set(meanings) == {"MODALITY_OTHER", "MODALITY_UNKNOWN", "SPACING_UNKNOWN", "UNCALIBRATED"}
    assert all(meanings.values())
    assert flags(load_policy("cxr"), image_store(2, spacing=1.0), [0, 1], 64) == {}
    assert set(flags(load_policy("cxr"), image_store(2, spacing=1.0), [0, 1], 32)) == {"COARSE"}
