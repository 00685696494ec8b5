"""Reports are written whole and name no person."""

from __future__ import annotations

import json
from pathlib import Path

from medcl.views import load_policy
from medcl.views.audit import AuditReport, CheckResult, audit, check_private
from medcl.views.audit.phantoms import CANARY
from medcl.views.audit.view_pipeline import ViewPipeline


def test_a_person_in_a_report_is_caught() -> None:
    clean = audit(ViewPipeline(load_policy("us")), only={"I21"})
    assert check_private(clean).passed
    leaky = AuditReport(clean.policy, (CheckResult("I8", f"worst in {CANARY}", "none", True),))
    assert not check_private(leaky).passed


def test_report_is_written_whole(tmp_path: Path) -> None:
    report = audit(ViewPipeline(load_policy("us")), only={"I3", "I13"})
    page = report.write(tmp_path / "audit").read_text()
    record = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert record["passed"] is True
    assert [one["id"] for one in record["results"]] == ["I3", "I13"]
    assert "holds every invariant" in page
    assert CANARY not in page
    assert "padding" in report.table()
