"""Which scans are no negatives of each other: exact copies, and scans of one patient.

Pretraining and the audit's invariant I21 both call these functions.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from torch import Tensor


def identities(scans: pd.DataFrame) -> np.ndarray:
    """Return int64 numbers (n, 2) of scans that say which of them are related.

    Numbers of the first column are equal for exact copies, those of the second for scans of one patient.
    """
    columns = [pd.factorize(scans[name])[0] for name in ("fingerprint", "patient")]
    return np.stack(columns, axis=1).astype(np.int64)


def same_scan_or_patient(one: Tensor, other: Tensor) -> Tensor:
    """Return (N, M) bool: which rows of identities (N, 2) and (M, 2) share the scan or the patient."""
    same = one[:, None] == other[None]
    return same[..., 0] | same[..., 1]
