"""Every code that the archive can utter has a meaning, and policies hold back what they say."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

import medcl.archive
from medcl.archive.flags import FLAGS, REASONS, Rejected, Severity, explain, held_back, quarantined

SOURCES = sorted(Path(medcl.archive.__file__).parent.rglob("*.py"))


def test_every_reason_in_the_code_is_explained() -> None:
    codes = {
        code
        for path in SOURCES
        for code in re.findall(r'(?:quarantined|dropped)\(\s*"([A-Z0-9_]+)"', path.read_text())
    }
    assert len(codes) > 20
    assert codes <= set(REASONS) | set(FLAGS)
    for code in codes:
        assert explain(code) != code


def test_every_flag_in_the_code_is_explained() -> None:
    codes = {
        code
        for path in SOURCES
        for code in re.findall(r'(?:flags|flags\.add)(?: \|= |\()\{?"([A-Z0-9_]+)"', path.read_text())
    }
    assert len(codes) > 10
    assert codes <= set(FLAGS)


@pytest.mark.parametrize(
    ("accept", "held"),
    [
        ("strict", {Severity.GEOMETRY, Severity.DOUBT}),
        ("default", {Severity.DOUBT}),
        ("lenient", set()),
    ],
)
def test_accept_holds_back_by_severity(accept: str, held: set[Severity]) -> None:
    for code, (severity, _) in FLAGS.items():
        assert held_back([code], accept) == (code if severity in held else None)
    assert held_back([], accept) is None


def test_an_unknown_flag_is_a_doubt() -> None:
    assert held_back(["NEVER_HEARD_OF"], "default") == "NEVER_HEARD_OF"


def test_a_verdict_survives_the_way_between_processes() -> None:
    verdict = pickle.loads(pickle.dumps(quarantined("TRUNCATED", "GAP")))  # noqa: S301 - made here
    assert isinstance(verdict, Rejected)
    assert (verdict.state, verdict.code, verdict.flags) == ("quarantined", "TRUNCATED", ("GAP",))


def test_every_code_is_used() -> None:
    sources = "".join(path.read_text() for path in SOURCES if path.name != "flags.py")
    assert {code for code in {**FLAGS, **REASONS} if f'"{code}"' not in sources} == set()
