from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.views.partners import Partners

SCANS = pd.DataFrame(
    {
        "patient": ["a", "b", "a", "a", "c", "b", "a"],
        "modality": ["CT", "CT", "CT", "MR", "CT", "CT", "CT"],
    }
)


def test_the_partner_is_another_scan_of_the_patient_in_that_modality() -> None:
    positions = np.arange(len(SCANS))
    partners = Partners(SCANS)
    for share in np.linspace(0, 0.999, 50):
        drawn = partners.draw(positions, np.full(len(SCANS), share))
        assert (SCANS["patient"].to_numpy()[drawn] == SCANS["patient"]).all()
        assert (SCANS["modality"].to_numpy()[drawn] == SCANS["modality"]).all()
        alone = np.isin(positions, [3, 4])
        assert (drawn[alone] == positions[alone]).all()
        assert (drawn[~alone] != positions[~alone]).all()


def test_every_other_scan_is_drawn() -> None:
    shares = np.array([0.0, 0.49, 0.51, 0.99])
    assert Partners(SCANS).draw(np.full(4, 2), shares).tolist() == [0, 0, 6, 6]


def test_unknown_patients_are_one_group_no_scan_is_lost() -> None:
    scans = pd.DataFrame({"patient": [None, "a", None], "modality": ["CT", "CT", None]})
    assert Partners(scans).draw(np.arange(3), np.zeros(3)).tolist() == [0, 1, 2]
