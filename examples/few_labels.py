"""Fit a linear probe on a pretrained encoder with ten labels per class, and score it on the test scans."""

from pathlib import Path

from medcl.finetune import Budget, Images, draw_labels, extract_features, fit_probe, make_task
from medcl.pretrain import load_encoder
from medcl.statistics import compute_metrics
from medcl.store import Store
from medcl.views import load_policy

study = Path("demo-output/study")
store = Store.open(study / "store")
task = make_task(store, negative="healthy", positive="abnormal")
images = Images(load_policy("ct", "liver"), size=96, slices=8)
features = extract_features(load_encoder(study / "pretrain"), store, images)
probe = fit_probe(features, task, draw_labels(task, Budget.parse("10/class"), seed=0))
probability = probe.predict_proba(features[task.test])[:, 1]
scores = compute_metrics(task.truth[task.test], probability, threshold=0.5)
print({name: round(float(value[0]), 3) for name, value in scores.items()})
