"""Headers travel between processes."""

from __future__ import annotations

from tests.archive.dicom.samples import Folder


def test_headers_survive_pickling(wheel: Folder) -> None:
    import pickle

    for stack in wheel.stacks:
        header = stack.slices[0].header
        assert pickle.loads(pickle.dumps(header)) == header  # noqa: S301
