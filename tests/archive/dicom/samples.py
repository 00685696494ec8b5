"""Folders of DICOM files, read as the archive reads them."""

from __future__ import annotations

import json
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
