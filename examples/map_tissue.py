"""Learn abnormal tissue from the lesion masks of one patient, and map patients that the model never saw.

Few patients and steps, so that it ends within a minute: the figures mean nothing.
"""

from pathlib import Path

import pandas as pd

from medcl.archive import scan_archive
from medcl.evaluate.tissue import answer
from medcl.store import prepare
from medcl.tissue import TissueConfig, run_tissue

cohort, out = Path("demo-output/cohort"), Path("examples-output/tissue")

labels = pd.read_csv(cohort / "labels.csv")
dicom = ~labels["patient"].str.startswith("sub-")  # the others are NIfTI files, named by BIDS subject
labels = labels[dicom & (labels["label"] == "abnormal")].head(3)[["patient", "modality"]]
labels["mask"] = labels["patient"] + "_lesions.nii.gz"
out.mkdir(parents=True)
labels.to_csv(out / "masks.csv", index=False)

catalog = scan_archive([cohort], out / "catalog")  # scans and lesion masks
store = prepare(catalog, out / "store", out / "masks.csv")
config = TissueConfig(
    title="Liver lesions on synthetic CT",
    question="Does pretraining help to map lesions with the mask of one patient?",
    store=store.folder,
    patches={"edge_mm": 24, "each": 40, "unlabeled": 40, "stride_mm": 16},
    views={"policy": "ct", "variant": "liver", "size_px": 16},
    pretrain={"encoder": {"name": "resnet10", "width": 8, "stem": "compact"}, "epochs": 1, "batch_size": 32},
    training={"steps": 10, "batch_size": 16, "learning_rates": [3.0e-3], "candidates": 2},
    arms=["simclr-probe", "supervised"],
    budgets=[1],
    primary={"arm": "simclr-probe", "budget": 1},
)
print(answer(run_tissue(config, out / "study")))
print(out / "study" / "report.html")
