"""The store: scans as memory-mapped arrays, measured once and split by patient."""

from medcl.store.prepare import prepare
from medcl.store.store import Store

__all__ = ["Store", "prepare"]
