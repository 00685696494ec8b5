"""What was found and repaired in one scan, in words for a person."""

from __future__ import annotations

from medcl.archive.catalog import Catalog
from medcl.archive.flags import explain, severity
from medcl.archive.read import read
from medcl.errors import UsageError


def explain_scan(catalog: Catalog, scan: str) -> str:
    """Return, for a person, what was found and repaired in a scan, and what became of its files.

    The scan is read for it, as much shows in its pixels only.
    """
    row = catalog.row(scan)
    lines = [f"{scan}: {row['modality']} {row['kind']}, {row['shape']}, from {row['n_files']} file(s)"]
    spacing = row["spacing_mm"]
    if spacing is not None:
        lengths = " x ".join(f"{mm:.4g}" for mm in spacing)
        lines.append(f"  spacing {lengths} mm, values in {row['unit']}")
    else:
        lines.append(f"  spacing unknown, values in {row['unit']}")
    flags = [flag for flag in row["flags"].split(";") if flag]
    try:
        flags = list(read(catalog, scan).flags)
    except UsageError as error:
        lines.append(f"  cannot be read: {error}")
    lines += [f"  {flag} ({severity(flag).value}): {explain(flag)}" for flag in flags]
    files = (
        {place["file"] for place in catalog.files_by_scan.get(scan, [])} if catalog.is_located() else set()
    )
    ledger = catalog.ledger
    own = ledger[ledger["file"].isin(files) | (ledger["scan"] == scan)]
    for (state, reason), count in own.groupby(["state", "reason"]).size().items():
        why = f" for {reason}: {explain(reason)}" if reason else ""
        lines.append(f"  {count} file(s) {state}{why}")
    return "\n".join(lines)
