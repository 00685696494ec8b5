"""Every trap has a name of its own, a description and a ground truth unless it is refused."""

from __future__ import annotations

from medcl.testing.traps import dicom_traps, nifti_traps


def test_traps_are_named_once_and_described() -> None:
    for traps in (dicom_traps(), nifti_traps()):
        assert len({trap.name for trap in traps}) == len(traps)
        assert all(trap.description for trap in traps)
        assert all(bool(trap.truths) == (trap.outcome != "refused") for trap in traps)
