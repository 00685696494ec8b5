"""The store: scans as memory-mapped arrays, measured once and split by patient."""

from medcl.store.labels import Labels, read_labels
from medcl.store.prepare import prepare
from medcl.store.store import Store

__all__ = ["Labels", "Store", "prepare", "read_labels"]
