"""Which scans are no negatives of each other: exact copies, and scans of one patient."""

from __future__ import annotations

import numpy as np
import pandas as pd


def identities(scans: pd.DataFrame) -> np.ndarray:
    """Return numbers (n, 2), int64: equal in the first column for exact copies, in the second for scans of
    one patient. Rows that share either are no negatives of each other.
    """
    columns = [pd.factorize(scans[name])[0] for name in ("fingerprint", "patient")]
    return np.stack(columns, axis=1).astype(np.int64)


def related(identity: np.ndarray) -> np.ndarray:
    """Return (n, n) which rows of `identity` (n, 2) share the scan or the patient."""
    shared: np.ndarray = (identity[:, None] == identity[None]).any(axis=-1)
    return shared
