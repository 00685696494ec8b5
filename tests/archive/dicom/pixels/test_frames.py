"""Stored pixel values against pydicom's."""

from __future__ import annotations

import numpy as np
import pydicom

from medcl.archive.dicom.pixels.frames import PixelFile, stored_values
from medcl.archive.privacy import silenced_loggers
from tests.archive.dicom.samples import UNREADABLE, Folder


def test_stored_pixels_are_those_of_pydicom(wheel: Folder) -> None:
    compared = 0
    for number in {number for stack in wheel.stacks for number in stack.files}:
        path = wheel.paths[number]
        if path.name in UNREADABLE:
            continue
        with open(path, "rb") as stream, silenced_loggers():
            file = PixelFile.open(stream)
            shared = file.header.shared
            frame = file.frame(shared.n_frames - 1)
            if shared.samples == 1:
                frame, _ = stored_values(frame, shared)
            expected = pydicom.dcmread(path, force=True).pixel_array
        expected = expected.reshape(shared.n_frames, *frame.shape)[-1]
        np.testing.assert_array_equal(frame, expected, err_msg=path.name)
        compared += 1
    assert compared > 80
