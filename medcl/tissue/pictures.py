"""Pictures of a patient's maps beside the scan and its mask."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import ndimage

from medcl.archive.flags import split_flags
from medcl.evaluate.tissue import TissueEvaluation
from medcl.files import atomic
from medcl.palette import LETTER, MASK, PREDICTION
from medcl.tissue.arms import TissueStudy
from medcl.tissue.folds import Fold
from medcl.tissue.map_files import map_path, read_map
from medcl.tissue.patch_sampling import abnormal_mask, scan_body_mask
from medcl.views import read_geometry
from medcl.views.show.display import cut_slice, edge_letters, window_fraction


def draw_patient(study: TissueStudy, result: TissueEvaluation, fold: Fold) -> Path | None:
    """Write a picture of the test patient's maps, one per arm and budget, on the slice with the most mask.

    Returns:
        Path of the picture; None where text that identifies the patient may be burned into the pixels.
    """
    row = study.rows_of(fold.test)[0]
    if "BURNED_IN_RISK" in split_flags(study.store.scans["flags"].iat[row]):
        return None
    config, plane = study.config, _Plane.most_masked(study, row)
    columns, rows = len(config.arms) + 1, len(config.budgets)
    with mpl.rc_context({"font.size": 7.5}):
        figure = Figure(figsize=(1.75 * columns, 1.95 * rows), layout="constrained", facecolor="white")
        grid = figure.subplots(rows, columns, squeeze=False)
        _draw_scan(grid[:, 0], plane)
        for panels, budget in zip(grid, config.budgets, strict=True):
            for axes, arm in zip(panels[1:], config.arms, strict=True):
                _draw_map(axes, plane, study, result, (arm, budget, fold.test), row)
        path = study.out / "pictures" / f"{fold.test}.png"
        with atomic(path) as temporary:
            figure.savefig(temporary, format="png", dpi=110)
    return path


class _Plane:
    """One slice of a scan as it is displayed, cropped to the tissue."""

    def __init__(self, study: TissueStudy, row: int, number: int) -> None:
        geometry = read_geometry(study.store, [row])
        self.number, self.axis = number, int(geometry.slice_axis[0])
        self.letters = edge_letters(self.axis) if geometry.sided[0] else ("",) * 4
        height, width = np.diag(geometry.grid[0])
        self.aspect = float(height / width)
        tissue = self._display(scan_body_mask(study.store, row))
        self.box = ndimage.find_objects(tissue.astype(np.uint8))[0] if tissue.any() else (slice(None),) * 2
        scan = study.store.scans.iloc[row]
        self.gray = window_fraction(self.cut(study.store.array(row)), scan["lo"], scan["hi"])
        self.mask = self.cut(abnormal_mask(study.store, row))

    @classmethod
    def most_masked(cls, study: TissueStudy, row: int) -> _Plane:
        axis = int(read_geometry(study.store, [row]).slice_axis[0])
        others = tuple(n for n in range(3) if n != axis)
        return cls(study, row, int(abnormal_mask(study.store, row).sum(axis=others).argmax()))

    def cut(self, volume: np.ndarray) -> np.ndarray:
        """Return the slice of a volume on the scan's grid."""
        return self._display(volume)[self.box]

    def _display(self, volume: np.ndarray) -> np.ndarray:
        return cut_slice(volume, self.axis, self.number)


def _draw_scan(column: np.ndarray, plane: _Plane) -> None:
    """Draw the scan, and below it the same with its mask; both in one panel where there is only one."""
    for axes in column:
        axes.axis("off")
    for axes, title in zip(column, (f"scan, slice {plane.number}", "mask"), strict=False):
        _backdrop(axes, plane, title)
    column[min(1, len(column) - 1)].contourf(plane.mask, levels=[0.5, 1.5], colors=[MASK], alpha=0.45)


def _draw_map(
    axes: Axes,
    plane: _Plane,
    study: TissueStudy,
    result: TissueEvaluation,
    cell: tuple[str, int, str],
    row: int,
) -> None:
    arm, budget, patient = cell
    table = result.patients
    metrics = table[(table["arm"] == arm) & (table["budget"] == budget) & (table["patient"] == patient)].iloc[
        0
    ]
    path = study.out / map_path(patient, arm, budget, "test", study.store.scans["scan"].iat[row])
    probability = plane.cut(read_map(path))
    masks = "mask" if budget == 1 else "masks"
    _backdrop(
        axes, plane, f"{arm}, {budget} {masks}\nDice {metrics['dice']:.2f}, AUROC {metrics['auroc']:.3f}"
    )
    axes.imshow(
        probability, cmap="hot", vmin=0, vmax=1, alpha=0.75 * np.sqrt(probability), aspect=plane.aspect
    )
    for values, level, color in (
        (plane.mask, 0.5, MASK),
        (probability, metrics["threshold"], PREDICTION),
    ):
        if values.min() < level < values.max():
            axes.contour(values, levels=[level], colors=[color], linewidths=0.9)


def _backdrop(axes: Axes, plane: _Plane, title: str) -> None:
    axes.imshow(plane.gray, cmap="gray", vmin=0, vmax=1, aspect=plane.aspect)
    axes.set_title(title, fontsize=7)
    axes.axis("off")
    positions = ((0.02, 0.5), (0.98, 0.5), (0.5, 0.98), (0.5, 0.02))
    sides = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
    for letter, (x, y), (across, up) in zip(plane.letters, positions, sides, strict=True):
        axes.text(x, y, letter, transform=axes.transAxes, color=LETTER, fontsize=6.5, ha=across, va=up)
