"""A prepared store: memory-mapped scans with a table of their measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from medcl.archive.flags import split_flags
from medcl.errors import UsageError
from medcl.files import read_json
from medcl.store.blocks import CODECS, REMEDY, Codec, OpenShards
from medcl.store.columns import DTYPES, LISTS, MEASURES, PLACES, NumberColumns, ScanMeasures, read_arrow
from medcl.store.form import StoreForm
from medcl.store.slices import slices_back

FORMAT = 4
"""Version of the form of a store."""

PLACES_KEPT = 4096
"""Places of scans that are kept ready, since several views read one scan."""


class _Place(NamedTuple):
    """Where a scan lies; see `medcl.store.columns.PLACES`."""

    shard: int
    block: int
    valid_block: int
    mask_block: int
    shape: tuple[int, ...]
    axis: int
    dtype: np.dtype
    mask_dtype: np.dtype | None
    codec: Codec
    affine: np.ndarray | None

    @property
    def stored_shape(self) -> tuple[int, ...]:
        """Shape with the slices first; an image is one slice."""
        if self.axis < 0:
            return (1, *self.shape)
        return (self.shape[self.axis], *[n for axis, n in enumerate(self.shape) if axis != self.axis])

    def slices(self, box: np.ndarray | None) -> tuple[int, int]:
        """Return the first and one past the last stored slice that a box of voxels touches."""
        count = self.stored_shape[0]
        if box is None or self.axis < 0:
            return 0, count
        first, stop = (int(n) for n in np.clip(box[self.axis], 0, count))
        return (first, stop) if first < stop else (min(first, count - 1), min(first, count - 1) + 1)

    @property
    def stored_grid(self) -> tuple[int, ...]:
        """The same of a mask, which has no color axis."""
        return self.stored_shape[:3]


class Store:
    """Read-only access to a folder that `prepare` wrote.

    Rows are numbered 0 to n - 1 in the order of their pixel fingerprints, so numbering, splits and views do
    not depend on file names, folder order or the pseudonym key. Opening costs neither time nor memory for
    the pixels of a scan, nor for its measurements, which stay on disk until they are needed.

    Attributes:
        folder: Its folder.
        scans: A row per scan: `scan, patient, site, modality, kind, unit, flags, label, split, duplicate,
            fingerprint, lo, hi, noise, mask_from` (`voxels`, `boxes` of the label table, or empty) and the
            label table's `sex`, `age`.
        record: Content of `store.json`: seed, label classes, splits, duplicates, faults.
    """

    def __init__(self, folder: Path, scans: pd.DataFrame, record: dict[str, Any]) -> None:
        self.folder = folder
        self.scans = scans
        self.record = record
        self._shards = OpenShards(folder)
        self._places: dict[int, _Place] = {}

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open a finished store.

        Raises:
            UsageError: there is no store, `prepare` did not finish it, it has another form, or a table of it
                is missing or damaged.
        """
        if not (folder / "store.json").is_file():
            state = (
                "an unfinished store; run the same 'medcl prepare' again" if folder.is_dir() else "no store"
            )
            raise UsageError(f"{folder}: {state}")
        try:
            record = read_json(folder / "store.json")
        except ValueError:
            raise UsageError(f"{folder / 'store.json'}: cannot be read; {REMEDY}") from None
        if record.get("format") != FORMAT:
            raise UsageError(
                f"{folder}: the store has form {record.get('format')} and this version reads form {FORMAT}; "
                "run 'medcl prepare' on its catalog again, into a new folder"
            )
        try:
            scans = light_columns(read_arrow(folder / "scans.arrow"))
            splits = pd.read_parquet(folder / "splits.parquet", columns=["scan", "split"])
        except (ValueError, OSError):  # pyarrow raises these on tables that are missing, cut or damaged
            raise UsageError(
                f"{folder}: scans.arrow or splits.parquet is missing or damaged; {REMEDY}"
            ) from None
        scans["split"] = _splits(folder, splits, scans["scan"])
        return cls(folder, scans, record)

    def __len__(self) -> int:
        return len(self.scans)

    @property
    def form(self) -> StoreForm:
        """Form in which the scans are stored."""
        return StoreForm(**self.record.get("form", {}))

    def __reduce__(self) -> tuple[Callable[[Path], Store], tuple[Path]]:
        """Pickle as the path of its folder: each process maps the arrays itself."""
        return Store.open, (self.folder,)

    def array(self, row: int, box: np.ndarray | None = None) -> np.ndarray:
        """Return the scan's pixels, read-only; axes as in `medcl.archive.Scan`.

        Args:
            row: Row number.
            box: (3, 2) first and one past the last voxel of a volume that are read along each axis; the
                values of other voxels are undefined.

        Raises:
            UsageError: the file is damaged.
        """
        place = self._place(row)
        stored = self._shards[place.shard].array(
            place.block, place.stored_shape, place.dtype, place.codec, place.slices(box)
        )
        return slices_back(stored, place.axis)

    def page_in(self, row: int, box: np.ndarray | None = None) -> None:
        """Have the system read the scan's pixels, or those of a box, ahead of their use."""
        place = self._place(row)
        self._shards[place.shard].page_in(place.block, place.stored_shape, place.dtype, place.slices(box))

    def block_sizes(self, row: int, box: np.ndarray | None = None) -> dict[tuple[int, int], int]:
        """Return the bytes of each block that `page_in` reads, by shard and number of the block."""
        place = self._place(row)
        sizes = self._shards[place.shard].block_sizes(
            place.block, place.stored_shape, place.dtype, place.slices(box)
        )
        return {(place.shard, number): size for number, size in sizes.items()}

    def valid(self, row: int) -> np.ndarray | None:
        """Return the boolean mask of measured voxels, or None when every voxel was measured."""
        place = self._place(row)
        return None if place.valid_block < 0 else self._grid(place, place.valid_block, np.dtype(bool), "zlib")

    def mask(self, row: int) -> np.ndarray | None:
        """Return the label mask (uint8 or uint16, 0 is background), or None when the scan has none."""
        place = self._place(row)
        return (
            None if place.mask_dtype is None else self._grid(place, place.mask_block, place.mask_dtype, "raw")
        )

    def _grid(self, place: _Place, block: int, dtype: np.dtype, codec: Codec) -> np.ndarray:
        stored = self._shards[place.shard].array(block, place.stored_grid, dtype, codec, place.slices(None))
        return slices_back(stored, place.axis)

    def affine(self, row: int) -> np.ndarray | None:
        """Return the (4, 4) affine from voxel index to RAS+ millimeters, or None for an image."""
        return self._place(row).affine

    def measures(self, rows: Sequence[int] | np.ndarray, anchored: bool = True) -> ScanMeasures:
        """Return geometry and measurements of some rows, with or without positions on the body."""
        return self._columns.measures(np.asarray(rows, np.int64), anchored)

    def showable(self) -> list[int]:
        """Return the rows of the scans that may be shown: those without a risk of burned-in text.

        Raises:
            UsageError: there are none.
        """
        rows = np.flatnonzero(["BURNED_IN_RISK" not in split_flags(flags) for flags in self.scans["flags"]])
        if not len(rows):
            raise UsageError(
                f"{self.folder}: every scan may have text burned in (BURNED_IN_RISK), so none is shown"
            )
        return [int(row) for row in rows]

    def rows(self, split: str) -> np.ndarray:
        """Return the row numbers of one split."""
        return np.flatnonzero(self.scans["split"].to_numpy() == split)

    def shards(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of the shard that each row lies in."""
        numbers: np.ndarray = self._columns.places["shard"][rows]
        return numbers

    @cached_property
    def _columns(self) -> NumberColumns:
        return NumberColumns(read_arrow(self.folder / "scans.arrow"))

    def _place(self, row: int) -> _Place:
        place = self._places.get(row)
        if place is None:
            if len(self._places) >= PLACES_KEPT:
                self._places.clear()
            place = self._places[row] = self._read_place(row)
        return place

    def _read_place(self, row: int) -> _Place:
        numbers = {name: int(values[row]) for name, values in self._columns.places.items()}
        one = self._columns.measures(np.array([row]), anchored=False)
        axis = int(one.slice_axis[0])
        spatial = [int(n) for n in one.shape[0, : 2 if axis < 0 else 3]]
        channels = [int(n) for n in one.channels if n]
        return _Place(
            shard=numbers["shard"],
            block=numbers["first_block"],
            valid_block=numbers["valid_block"],
            mask_block=numbers["mask_block"],
            shape=(*spatial, *channels),
            axis=axis,
            dtype=np.dtype(DTYPES[numbers["dtype"]]),
            mask_dtype=np.dtype(DTYPES[numbers["mask_dtype"]]) if numbers["mask_block"] >= 0 else None,
            codec=CODECS[numbers["codec"]],
            affine=None if axis < 0 else one.affine[0],
        )


def light_columns(table: pa.Table) -> pd.DataFrame:
    """Return the columns of a table of scans that are not places and measures."""
    heavy = {*PLACES, *MEASURES, *LISTS}
    frame: pd.DataFrame = table.select([name for name in table.column_names if name not in heavy]).to_pandas()
    return frame


def joined_columns(scans: pd.DataFrame, stored: pa.Table) -> pa.Table:
    """Return a table of scans with the places and measures that `stored` has, row by row."""
    table = pa.Table.from_pandas(scans, preserve_index=False).replace_schema_metadata(None)
    for name in (*PLACES, *MEASURES, *LISTS):
        table = table.append_column(name, stored[name])
    return table


def _splits(folder: Path, table: pd.DataFrame, scans: pd.Series) -> np.ndarray:
    """Return the split of each scan, which the table `splits.parquet` names.

    Raises:
        UsageError: the table does not name each scan once.
    """
    if not table["scan"].equals(scans):
        table = table.set_index("scan").reindex(scans) if table["scan"].is_unique else table[:0]
    if len(table) != len(scans) or table["split"].isna().any():
        raise UsageError(f"{folder / 'splits.parquet'}: does not name each scan of the store once")
    split: np.ndarray = table["split"].to_numpy(object)
    return split
