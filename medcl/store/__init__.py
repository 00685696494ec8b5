"""The store: scans as memory-mapped arrays, measured once and split by patient."""

from medcl.store.form import StoreForm
from medcl.store.labels import SUBGROUP_COLUMNS, Labels, read_labels
from medcl.store.left_out import count_reasons, left_out_lines, reason_text
from medcl.store.patients import patient_warnings
from medcl.store.prepare import prepare
from medcl.store.store import Store
from medcl.store.stored_scan import StoredScan, stored_scan

__all__ = [
    "SUBGROUP_COLUMNS",
    "Labels",
    "Store",
    "StoreForm",
    "StoredScan",
    "count_reasons",
    "left_out_lines",
    "patient_warnings",
    "prepare",
    "read_labels",
    "reason_text",
    "stored_scan",
]
