"""Store scans with their labels, and draw pairs of views beside their source."""

from pathlib import Path

from medcl.archive import scan_archive
from medcl.store import prepare
from medcl.views import load_policy
from medcl.views.show.contact_sheet import contact_sheet

cohort, out = Path("demo-output/cohort"), Path("examples-output/contact-sheet")

catalog = scan_archive([cohort / "archive"], out / "catalog")
store = prepare(catalog, out / "store", cohort / "labels.csv")
print(store.scans["split"].value_counts().to_string())  # patients never cross a split
rows = store.showable()[:4]
contact_sheet(store, rows, load_policy("ct", "liver"), 128, 0, out / "views.png")
print(out / "views.png")
