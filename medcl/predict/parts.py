"""The parts of a table that is being written: a folder beside it, in which an interrupted run continues.

`TABLE.parts` holds `begun.json` (the request, and at the end the result), `catalog`, a table per finished
part, and at the end the joined table, which is renamed to its place. The folder is then removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from medcl.archive import Catalog
from medcl.errors import UsageError
from medcl.files import atomic, read_json, write_json
from medcl.runs import exclusive

SCHEMA = pa.schema(
    [
        ("scan", pa.string()),
        ("reason", pa.string()),
        ("probability", pa.float64()),
        ("fingerprint", pa.uint64()),
        ("mask_fingerprint", pa.uint64()),
        ("shape", pa.list_(pa.int32())),
        ("affine", pa.list_(pa.float64())),
    ]
)
"""Columns of a part: each scan with its probability, or the reason why there is none; what was measured is
null for scans that cannot be read, and `affine` for images."""


class Parts:
    """The folder of the parts of one table.

    Args:
        out: The table.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(f"{out.name}.parts")
        self._ticket = self.folder / "begun.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; if there is no part when the work fails, it is removed.

        Raises:
            UsageError: Another process holds it.
        """
        with exclusive(self.folder):
            try:
                yield
            except UsageError:
                if self.folder.is_dir() and not self._written():
                    self.remove()
                raise

    def result(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """Return the result of the same request if its table is complete, or None."""
        begun = self._begun()
        is_complete = self.out.exists() and begun.get("request") == request
        return begun.get("result") if is_complete else None

    def catalog(self, request: dict[str, Any], scan: Callable[[Path], Catalog]) -> Catalog:
        """Return the catalog to predict: that of the interrupted run, or a new one where no part is written.

        Args:
            request: What the parts depend on, beside the files of the archive.
            scan: Scans the archive into a new folder.

        Raises:
            UsageError: The parts are of another request, or the archive has changed since.
        """
        fresh, folder = self.folder / "scanned", self.folder / "catalog"
        self._forget(fresh)
        scanned = scan(fresh)
        ticket = {"request": request, "catalog": scanned.identity}
        begun = self._begun()
        if {key: begun.get(key) for key in ticket} != ticket:
            if self._written():
                self._forget(fresh, unless=begun.get("catalog"))
                raise UsageError(
                    f"{self.folder}: was begun with other arguments, or the archive has changed "
                    "since; remove it to begin anew, or name a new table"
                )
            self._forget(folder, unless=scanned.identity)
            write_json(ticket, self._ticket)
        if folder.is_dir():  # its ledger has the faults of scans that were read
            shutil.rmtree(fresh)
        else:
            os.replace(fresh, folder)
        return Catalog.open(folder)

    def missing(self, count: int) -> list[int]:
        """Return the numbers below `count` of the parts that are not written."""
        return [number for number in range(count) if not self._part(number).is_file()]

    def write(self, number: int, rows: Sequence[dict[str, Any]]) -> None:
        """Write one part, whole or not at all."""
        with atomic(self._part(number)) as temporary:
            pq.write_table(pa.Table.from_pylist(list(rows), SCHEMA), temporary)

    def read(self, count: int) -> pa.Table:
        """Return the rows of all parts."""
        tables = [pq.read_table(self._part(number), schema=SCHEMA) for number in range(count)]
        return pa.concat_tables([SCHEMA.empty_table(), *tables])

    def finish(self, table: pd.DataFrame, result: dict[str, Any]) -> None:
        """Put the joined table in its place and remove the folder."""
        joined = self.folder / f"joined{self.out.suffix}"
        with atomic(joined) as temporary:
            if self.out.suffix == ".csv":
                table.to_csv(temporary, index=False)
            else:
                table.to_parquet(temporary, index=False)
        write_json({**self._begun(), "result": result}, self._ticket)
        os.replace(joined, self.out)
        self.remove()

    def remove(self) -> None:
        """Remove the folder, and the private locators of its catalogs."""
        for name in ("catalog", "scanned"):
            self._forget(self.folder / name)
        for path in self.folder.iterdir():
            if path.is_file() and path != self._ticket:
                path.unlink()
        shutil.rmtree(self.folder)  # the ticket last: until then, a killed removal is repeated

    def _forget(self, folder: Path, unless: str | None = None) -> None:
        """Remove a catalog, and its private locator unless that is of the given identity."""
        if not (folder / "summary.json").is_file():
            return
        catalog = Catalog.open(folder)
        if catalog.identity != unless:
            catalog.forget()
        shutil.rmtree(folder)

    def _part(self, number: int) -> Path:
        return self.folder / f"{number:07d}.parquet"

    def _written(self) -> bool:
        return any(self.folder.glob("[0-9]*.parquet"))

    def _begun(self) -> dict[str, Any]:
        return read_json(self._ticket) if self._ticket.is_file() else {}
