"""Explanation of the flags, repairs and files of one scan, as text for a person."""

from __future__ import annotations

from medcl.archive.catalog import Catalog
from medcl.archive.flags import explain, severity, split_flags
from medcl.archive.read import read
from medcl.errors import UsageError


def explain_scan(catalog: Catalog, scan: str) -> str:
    """Return a text on what was noticed and repaired in a scan, and on the state of its files.

    This reads the scan, because some flags depend on its pixels.

    Raises:
        UsageError: There is no such scan.
    """
    row = catalog.row(scan)
    lines = [f"{scan}: {row['modality']} {row['kind']}, {row['shape']}, from {row['n_files']} file(s)"]
    flags, unit, fault = sorted(split_flags(row["flags"])), row["unit"], ""
    try:
        values = read(catalog, scan)
        flags, unit = list(values.flags), values.unit
    except UsageError as error:
        fault = f"  cannot be read: {error}"
    spacing = row["spacing_mm"]
    lengths = "unknown" if spacing is None else " x ".join(f"{mm:.4g}" for mm in spacing) + " mm"
    lines += [f"  spacing {lengths}, values in {unit}", *filter(None, [fault])]
    lines += [f"  {flag} ({severity(flag).value}): {explain(flag)}" for flag in flags]
    files = {row["file"] for row in catalog.files_by_scan.get(scan, [])} if catalog.is_located() else set()
    ledger = catalog.ledger
    of_scan = ledger[ledger["file"].isin(files) | (ledger["scan"] == scan)]
    for (state, reason), count in of_scan.groupby(["state", "reason"]).size().items():
        suffix = f" for {reason}: {explain(reason)}" if reason else ""
        lines.append(f"  {count} file(s) {state}{suffix}")
    return "\n".join(lines)
