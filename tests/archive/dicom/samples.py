"""Folders of DICOM files, read as the archive reads them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pydicom

from medcl.archive import dicom
from medcl.archive.dicom.series.stacks import Stack
from medcl.archive.flags import Rejected
from medcl.archive.privacy import silenced_loggers
from medcl.archive.scan import Scan

WHEEL = Path(pydicom.__file__).parent / "data"
UNREADABLE = {
    "JPEG-lossy.dcm": "DECODER_MISSING",  # 12-bit extended JPEG: only a GPL decoder reads it
    "JPEG2000-embedded-sequence-delimiter.dcm": "BAD_HEADER",  # its stream is broken on purpose
}


class Folder:
    """A folder read as the archive does it."""

    def __init__(self, folder: Path) -> None:
        self.paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        self.reasons: dict[Path, str] = {}
        headers = []
        for number, path in enumerate(self.paths):
            try:
                with open(path, "rb") as stream, silenced_loggers():
                    header = dicom.read_header(stream, path.stat().st_size)
            except Rejected as verdict:
                self.reasons[path] = verdict.code
                continue
            if header is None:
                self.reasons[path] = "UNKNOWN_FORMAT"
            else:
                headers.append((number, header))
        self.stacks, verdicts = dicom.group(headers)
        self.reasons |= {self.paths[number]: code for number, (_, code) in verdicts.items()}

    def scan(self, stack: Stack) -> Scan:
        openers = [partial(open, self.paths[number], "rb") for number in stack.files]
        with silenced_loggers():
            return dicom.assemble(openers, {"part": json.dumps({"key": stack.stack_key})})

    def series_number(self, stack: Stack) -> int:
        return int(pydicom.dcmread(self.paths[stack.files[0]], stop_before_pixels=True).SeriesNumber)


class Read:
    """The scans of files in memory, read as the archive reads them, and why files are not used."""

    def __init__(self, files: dict[str, bytes], order: Sequence[str] | None = None) -> None:
        order = sorted(files) if order is None else order
        headers, reasons = [], {}
        for number, name in enumerate(order):
            try:
                header = dicom.read_header(io.BytesIO(files[name]), len(files[name]))
            except Rejected as verdict:
                reasons[name] = verdict.code
                continue
            if header is None:
                reasons[name] = "no DICOM"
            else:
                headers.append((number, header))
        sums = dicom.PixelSums(lambda number: io.BytesIO(files[order[number]]))
        self.stacks, verdicts = dicom.group(headers, sums)
        reasons |= {order[number]: code for number, (_, code) in verdicts.items()}
        self.reasons = reasons
        self.names = [tuple(order[number] for number in stack.files) for stack in self.stacks]
        self.scans: list[Scan] = []
        for stack, names in zip(self.stacks, self.names, strict=True):
            openers = [lambda name=name: io.BytesIO(files[name]) for name in names]
            self.scans.append(dicom.assemble(openers, {"part": json.dumps({"key": stack.stack_key})}))

    @property
    def flags(self) -> set[str]:
        stacked = [flag for stack in self.stacks for flag in stack.flags]
        return {*stacked, *(flag for scan in self.scans for flag in scan.flags)}
