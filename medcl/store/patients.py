"""Warnings about the patients of a store: unknown ones, and one identifier for all scans."""

from __future__ import annotations

import numpy as np
import pandas as pd

from medcl.store.people import assign_people, patient_is_known

MOST_OF_ONE = 10
"""A patient with more scans than this, and over half of all, is probably an anonymizer's placeholder."""

ADVICE = (
    "name the patients in a column 'patient' of the label table, or by 'medcl scan --patient-pattern' if "
    "paths name them"
)


def patient_warnings(scans: pd.DataFrame) -> list[str]:
    """Return what weakens the split by patient, each with what to do.

    Args:
        scans: Scans that are used, with columns `patient` and `patient_evidence`.
    """
    warnings = []
    unknown = scans[~patient_is_known(scans)]
    if len(unknown):
        warnings.append(
            f"{len(unknown)} of {len(scans)} scans have no known patient and count as "
            f"{unknown['patient'].nunique()} patients of their own, so scans of one patient may be in two "
            f"splits and no claim about patients can be made; {ADVICE}"
        )
    counts = scans["patient"].value_counts()
    is_only = len(counts) == 1 and len(scans) > 1 and not len(unknown)
    if is_only or (len(counts) and counts.iloc[0] > MOST_OF_ONE and 2 * counts.iloc[0] > len(scans)):
        of_all = "all" if len(counts) == 1 else f"{counts.iloc[0]} of"
        warnings.append(
            f"{of_all} {len(scans)} scans have one patient identifier: the split cannot be by patient; if it "
            f"stands for several patients, {ADVICE}"
        )
    return warnings


def strangers_joined(scans: pd.DataFrame) -> int:
    """Return the number of scans that share pixels, mask or an unusual grid with another patient's scan."""
    people = pd.Series(assign_people(scans), scans.index)
    patients_of_person = scans["patient"].groupby(people).nunique()
    return int(np.isin(people, patients_of_person.index[patients_of_person > 1]).sum())
