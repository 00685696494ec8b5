"""npz: values as stored, faults by name, nothing pickled and no bomb opened."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from medcl.archive.flags import Rejected
from medcl.archive.formats import npz
from tests.archive.formats.in_memory import in_memory
from tests.archive.samples import npz_bytes


def parts(content: bytes) -> list[str]:
    return [scan.part for scan in npz.inspect(in_memory(content))]


def refusal(content: bytes) -> str:
    with pytest.raises(Rejected) as verdict:
        parts(content)
    return verdict.value.code


def packed(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def test_npz_rows_read_as_numpy_reads_them() -> None:
    content = npz_bytes()
    assert parts(content)[:2] == ["train:0", "train:1"]
    reference = np.load(io.BytesIO(content))["val_images"]
    file = in_memory(content)
    for row in range(len(reference)):
        np.testing.assert_array_equal(npz.load(file, f"val:{row}").array, reference[row])


def test_npz_with_pickles_wrong_labels_or_volumes_is_refused() -> None:
    pixels = np.zeros((3, 4, 4), np.uint8)
    assert refusal(packed(train_images=np.array([{"a": 1}, None, 3], dtype=object))) == "PICKLE"
    assert refusal(packed(train_images=pixels, train_labels=np.array([None] * 3))) == "PICKLE"
    assert refusal(packed(train_images=pixels, train_labels=np.zeros((2, 1)))) == "NPZ_LABELS"
    assert refusal(packed(train_images=np.zeros((3, 4, 4, 4), np.uint8))) == "NPZ_SHAPE"
    assert refusal(packed(other=pixels)) == "NO_IMAGES"


def test_npz_labels_with_several_columns_become_text() -> None:
    content = packed(test_images=np.zeros((2, 4, 4), np.uint8), test_labels=np.array([[0, 1], [1, 1]]))
    assert [scan.source_label for scan in npz.inspect(in_memory(content))] == ["0;1", "1;1"]


def test_npz_that_is_cut_damaged_or_a_bomb_is_refused() -> None:
    content = npz_bytes(200)
    assert refusal(content[:-30]) == "DAMAGED"
    broken = bytearray(content)
    broken[400] ^= 0xFF
    with pytest.raises(Rejected):
        npz.load(in_memory(bytes(broken)), "train:0")
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (300, 1024, 1024)}
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("train_images.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert refusal(stream.getvalue()) == "BOMB"
