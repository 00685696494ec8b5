"""List every scan of an archive in a catalog and account for every file in a ledger."""

from pathlib import Path

from medcl.archive import read, scan_archive

archive, out = Path("demo-output/cohort/archive"), Path("examples-output/catalog")

catalog = scan_archive([archive], out)
print(catalog.ledger["state"].value_counts().to_string())  # used, dropped or quarantined, file by file
print(catalog.scans[["scan", "patient", "modality", "shape", "flags"]].head().to_string())

volumes = catalog.scans[catalog.scans["kind"] == "volume"]
scan = read(catalog, volumes["scan"].iloc[0])
print(scan.array.shape, scan.unit, scan.spacing_mm)
