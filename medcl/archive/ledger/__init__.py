"""Accounting for every file: examines headers, stores outcomes, makes the rows of catalog and ledger."""

from medcl.archive.ledger.catalog_rows import gather, reasons
from medcl.archive.ledger.dask_workers import examine_on_cluster
from medcl.archive.ledger.examine import FileOutcome, examine_all, pseudonymized
from medcl.archive.ledger.index import Index
from medcl.archive.ledger.tables import ScanRow, Tables
from medcl.archive.ledger.workers import examine_in_processes

__all__ = [
    "FileOutcome",
    "Index",
    "ScanRow",
    "Tables",
    "examine_all",
    "examine_in_processes",
    "examine_on_cluster",
    "gather",
    "pseudonymized",
    "reasons",
]
