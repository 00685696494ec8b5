"""Base classes of traps, small sets of files with known faults and the correct result of reading them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from medcl.testing.phantom import PhantomFunction, tissue

Files = dict[str, bytes]
Builder = Callable[[], Files]
ExpectedOutcome = Literal["right", "held", "refused"]


@dataclass(frozen=True)
class ExpectedImage:
    """Correct values of an image or cine.

    Attributes:
        array: Pixels (row, column), (row, column, 3), or either with the frame first.
        spacing_mm: Millimeters between rows and between columns; None when it cannot be known.
        tolerance: Largest allowed absolute difference.
    """

    array: np.ndarray
    spacing_mm: tuple[float, ...] | None = None
    tolerance: float = 0.0


GroundTruth = PhantomFunction | ExpectedImage


@dataclass(frozen=True)
class Trap:
    """Files with one fault, and what a correct reader returns for them.

    Attributes:
        number: Row of the table of known faults: a number or `+` for DICOM, `A2` for NIfTI.
        name: Unique name in small letters and dashes.
        description: What is unusual about the files.
        build: Function that returns the files by name.
        truths: Ground truth of each scan in the files, in any order.
        outcome: `right` when the files are read; `held` when the scan is doubtful and held back by
            default, but read correctly where `accept` is `lenient`; `refused` when nothing can be read.
        flags: Flags that must be raised, each by at least one scan.
        reasons: Ledger reasons that must be given for files that are not used.
        tolerance: Largest allowed |array - truth| in HU at valid voxels.
        between: Largest allowed |array - truth| in HU at interpolated slices.
        unit: Unit of the scans.
        unused: Number of files that are not used.
    """

    number: str
    name: str
    description: str
    build: Builder
    truths: tuple[GroundTruth, ...] = (tissue,)
    outcome: ExpectedOutcome = "right"
    flags: frozenset[str] = frozenset()
    reasons: frozenset[str] = frozenset()
    tolerance: float = 0.51
    between: float = 12.0
    unit: str = "HU"
    unused: int = 0


@dataclass
class TrapCollection:
    """Traps of one module, in the order of their definition."""

    traps: list[Trap] = field(default_factory=list)

    def trap(
        self,
        number: str,
        *truths: GroundTruth,
        flags: str = "",
        reasons: str = "",
        outcome: ExpectedOutcome = "right",
        tolerance: float = 0.51,
        between: float = 12.0,
        unit: str = "HU",
        unused: int = 0,
    ) -> Callable[[Builder], Builder]:
        """Add the decorated builder as a trap, whose name and description are the builder's.

        The arguments are those of `Trap`; `flags` and `reasons` are separated by spaces.
        """

        def add(build: Builder) -> Builder:
            self.traps.append(
                Trap(
                    number=number,
                    name=build.__name__.replace("_", "-"),
                    description=build.__doc__ or "",
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
