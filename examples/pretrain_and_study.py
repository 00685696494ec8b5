"""Pretrain without labels, compare with supervised training at a label budget, and write the report.

The configuration of `medcl demo` with fewer epochs, arms, budgets and seeds, so the figures mean nothing.
"""

from pathlib import Path

from medcl.config import load
from medcl.study import StudyConfig, run_study
from medcl.views import shipped

cohort, out = Path("demo-output/cohort"), Path("examples-output/study")

overrides = [
    f"archive=[{cohort / 'archive'}]",
    f"labels={cohort / 'labels.csv'}",
    "pretrain.epochs=4",
    "pretrain.batch_size=16",
    "training.steps=4",
    "arms=[simclr-probe, simclr-finetune, supervised]",
    "budgets=[5/class]",
    "seeds=[0, 1]",
    "primary.budgets=[5/class]",
]
evaluation = run_study(load(shipped("studies/demo.yaml"), StudyConfig, overrides), out)
print(evaluation.answer)
print(out / "report.html")
