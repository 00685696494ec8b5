"""What a trap is, and the list of all of them.

A trap is a small set of files that a reader gets wrong when it is careless. Each says what the files truly
hold (functions of place for volumes, arrays for pictures), which flags a careful reader raises, and whether
it may read the files at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from medcl.testing.phantom import Truth, tissue

Files = dict[str, bytes]
Outcome = Literal["right", "held", "refused"]


@dataclass(frozen=True)
class Picture:
    """The truth of a picture or cine.

    Attributes:
        array: (row, column), (row, column, 3) or with the frame first.
        spacing_mm: between rows, between columns; None when it cannot be known.
        tolerance: largest difference allowed.
    """

    array: np.ndarray
    spacing_mm: tuple[float, ...] | None = None
    tolerance: float = 0.0


Truths = Truth | Picture


@dataclass(frozen=True)
class Trap:
    """One trap.

    Attributes:
        number: of DICOM in the survey's table A1, `+` for its further traps, `A2` for NIfTI.
        name: unique, of small letters and dashes.
        why: what is odd about the files.
        build: makes the files, by name.
        truths: one for each scan that the files hold, in any order.
        outcome: `right`; `held` when the scan is doubtful and held back by default, yet right where a
            lenient policy reads it; `refused` when nothing can be read.
        flags: that at least one scan must carry.
        reasons: ledger reasons that must appear among files not used.
        tolerance: largest |array - truth| in HU where voxels are valid; interpolated slices are checked
            against `between`.
        between: the same for interpolated slices.
        unit: of the scans.
        unused: files that are not used.
    """

    number: str
    name: str
    why: str
    build: Callable[[], Files]
    truths: tuple[Truths, ...] = (tissue,)
    outcome: Outcome = "right"
    flags: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    tolerance: float = 0.51
    between: float = 12.0
    unit: str = "HU"
    unused: int = 0


@dataclass
class Catalog:
    """Traps as they are defined."""

    traps: list[Trap] = field(default_factory=list)

    def trap(
        self,
        number: str,
        why: str,
        *truths: Truths,
        flags: str = "",
        reasons: str = "",
        outcome: Outcome = "right",
        tolerance: float = 0.51,
        between: float = 12.0,
        unit: str = "HU",
        unused: int = 0,
    ) -> Callable[[Callable[[], Files]], Callable[[], Files]]:
        """Take the decorated builder into the list; its name is the trap's."""

        def add(build: Callable[[], Files]) -> Callable[[], Files]:
            self.traps.append(
                Trap(
                    number=number,
                    name=build.__name__.replace("_", "-"),
                    why=why,
                    build=build,
                    truths=truths or (() if outcome == "refused" else (tissue,)),
                    outcome=outcome,
                    flags=frozenset(flags.split()),
                    reasons=frozenset(reasons.split()),
                    tolerance=tolerance,
                    between=between,
                    unit=unit,
                    unused=unused,
                )
            )
            return build

        return add
