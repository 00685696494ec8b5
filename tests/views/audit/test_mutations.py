"""Every planted fault is caught by the invariant that names it."""

from __future__ import annotations

import pytest

from medcl.views import load_policy
from medcl.views.audit import audit
from medcl.views.audit.check_results import NAMES as NAMES_OF_INVARIANTS
from medcl.views.audit.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.invariant}-{mutation.name}")
def test_planted_faults_are_caught(mutation: Mutation) -> None:
    report = audit(mutation.plant(load_policy("ct")), only={mutation.invariant}, on={mutation.grid})
    assert report.failed == (mutation.invariant,), report.table()


def test_every_invariant_has_a_fault_that_it_catches() -> None:
    caught = {mutation.invariant for mutation in MUTATIONS}
    assert caught | {"I22"} == set(NAMES_OF_INVARIANTS), "I22 is about what is written: the test below"
