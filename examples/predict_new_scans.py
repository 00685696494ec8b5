"""Predict scans with the model that a study saved."""

from pathlib import Path

import pandas as pd

from medcl.predict import predict_archive

study, archive = Path("demo-output/study"), Path("demo-output/cohort/archive")
out = Path("examples-output/predictions.csv")

out.parent.mkdir(parents=True, exist_ok=True)
# `modality` is stated for the NIfTI files, which do not record one.
print(predict_archive(study, [archive], out, modality="CT"))
print(pd.read_csv(out).head().to_string())
