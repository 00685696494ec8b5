"""The view policies of `configs/views` hold every invariant of the audit."""

from __future__ import annotations

import pytest
import yaml

from medcl.views import load_policy, shipped
from medcl.views.audit import audit_policy

NAMES = sorted(path.stem for path in shipped("views").glob("*.yaml"))


VARIANTS = [
    (name, variant)
    for name in NAMES
    for variant in (None, *(yaml.safe_load(shipped(f"views/{name}.yaml").read_text()).get("variants") or {}))
]


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("cxr", None),
        *[pytest.param(*each, marks=pytest.mark.slow) for each in VARIANTS if each != ("cxr", None)],
    ],
)
def test_shipped_policies_hold(name: str, variant: str | None) -> None:
    report = audit_policy(load_policy(name, variant))
    assert report.passed, report.table()


def test_only_variants_accept_more_disagreement() -> None:
    for name, variant in VARIANTS:
        accepted = load_policy(name, variant).crop.disagree
        assert accepted <= (0.1 if variant is None else 0.3)
