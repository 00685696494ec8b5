"""PNG, JPEG and npz: values as stored, faults by name, nothing pickled and no bomb opened."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from medcl.archive.flags import Rejected
from medcl.archive.formats import images, npz
from tests.archive.samples import npz_bytes, picture_bytes


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def inspected(content: bytes) -> tuple[int, ...]:
    return images.inspect(io.BytesIO(content), len(content))[0].shape


def refusal(content: bytes) -> str:
    with pytest.raises(Rejected) as verdict:
        images.inspect(io.BytesIO(content), len(content))
    return verdict.value.code


GRAY = np.arange(12 * 9, dtype=np.uint8).reshape(12, 9)


def test_gray_and_color_keep_their_values() -> None:
    assert (images.load(io.BytesIO(saved(Image.fromarray(GRAY)))).array == GRAY).all()
    color = np.stack([GRAY, GRAY + 1, GRAY], axis=-1)
    scan = images.load(io.BytesIO(saved(Image.fromarray(color))))
    np.testing.assert_array_equal(scan.array, color)
    equal = images.load(io.BytesIO(saved(Image.fromarray(np.stack([GRAY] * 3, axis=-1)))))
    np.testing.assert_array_equal(equal.array, GRAY)
    assert equal.spacing_mm is None
    assert equal.affine is None


def test_sixteen_bits_alpha_and_palette() -> None:
    deep = GRAY.astype(np.uint16) * 500
    scan = images.load(io.BytesIO(saved(Image.fromarray(deep))))
    assert scan.array.dtype == np.uint16
    assert scan.unit == "a.u."
    np.testing.assert_array_equal(scan.array, deep)
    clear = Image.fromarray(np.dstack([GRAY, GRAY, GRAY, GRAY]))
    scan = images.load(io.BytesIO(saved(clear)))
    assert "ALPHA_DROPPED" in scan.flags
    np.testing.assert_array_equal(scan.array, GRAY)
    assert "PALETTE" in images.load(io.BytesIO(saved(Image.fromarray(GRAY).convert("P")))).flags


@pytest.mark.parametrize(("kind", "channels", "flagged"), [(0, 1, False), (2, 3, True), (4, 2, True)])
def test_color_of_sixteen_bits_is_read_with_eight_and_says_so(
    kind: int, channels: int, flagged: bool
) -> None:
    deep = np.arange(6 * 5 * channels, dtype=">u2").reshape(6, -1) * 700
    lines = b"".join(b"\0" + line.tobytes() for line in deep)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 5, 6, 16, kind, 0, 0, 0)), (b"IDAT", zlib.compress(lines))]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in [*parts, (b"IEND", b"")]
    )
    (found,) = images.inspect(io.BytesIO(content), len(content))
    scan = images.load(io.BytesIO(content))
    assert ("DEPTH_REDUCED" in found.flags) == ("DEPTH_REDUCED" in scan.flags) == flagged
    assert (scan.array.dtype == np.uint8) == flagged


def test_exif_orientation_is_applied_to_shape_and_pixels() -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG] = 6
    content = saved(Image.fromarray(np.repeat(GRAY, 4, axis=1)), "JPEG", exif=exif, quality=95)
    scan = images.load(io.BytesIO(content))
    assert inspected(content) == scan.array.shape == (36, 12)
    assert "EXIF_ROTATED" in scan.flags
    assert "LOSSY" in scan.flags


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_cut_pictures_are_refused(kind: str, kept: float) -> None:
    content = picture_bytes(3, kind, size=64)
    assert refusal(content[: int(len(content) * kept)]) in ("TRUNCATED", "DAMAGED", "UNDECODABLE")


def test_a_damaged_png_and_a_picture_bomb_are_refused() -> None:
    content = bytearray(picture_bytes(3, size=64))
    content[len(content) // 2] ^= 0xFF
    assert refusal(bytes(content)) == "DAMAGED"
    bomb = saved(Image.new("1", (20_000, 20_000)))
    assert len(bomb) < 100_000
    assert refusal(bomb) == "TOO_LARGE"


def found(content: bytes) -> list[str]:
    return [scan.part for scan in npz.inspect(io.BytesIO(content))]


def npz_refusal(content: bytes) -> str:
    with pytest.raises(Rejected) as verdict:
        found(content)
    return verdict.value.code


def packed(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def test_npz_rows_read_as_numpy_reads_them() -> None:
    content = npz_bytes()
    assert found(content)[:2] == ["train:0", "train:1"]
    reference = np.load(io.BytesIO(content))["val_images"]
    stack = npz.load(io.BytesIO(content), "val")
    for row in range(len(reference)):
        np.testing.assert_array_equal(npz.scan_of(stack, row).array, reference[row])


def test_npz_with_pickles_wrong_labels_or_volumes_is_refused() -> None:
    pixels = np.zeros((3, 4, 4), np.uint8)
    assert npz_refusal(packed(train_images=np.array([{"a": 1}, None, 3], dtype=object))) == "PICKLE"
    assert npz_refusal(packed(train_images=pixels, train_labels=np.array([None] * 3))) == "PICKLE"
    assert npz_refusal(packed(train_images=pixels, train_labels=np.zeros((2, 1)))) == "NPZ_LABELS"
    assert npz_refusal(packed(train_images=np.zeros((3, 4, 4, 4), np.uint8))) == "NPZ_SHAPE"
    assert npz_refusal(packed(other=pixels)) == "NO_IMAGES"


def test_npz_labels_with_several_columns_become_text() -> None:
    content = packed(test_images=np.zeros((2, 4, 4), np.uint8), test_labels=np.array([[0, 1], [1, 1]]))
    assert [scan.source_label for scan in npz.inspect(io.BytesIO(content))] == ["0;1", "1;1"]


def test_npz_that_is_cut_damaged_or_a_bomb_is_refused() -> None:
    content = npz_bytes(200)
    assert npz_refusal(content[:-30]) == "DAMAGED"
    broken = bytearray(content)
    broken[400] ^= 0xFF
    with pytest.raises(Rejected):
        npz.load(io.BytesIO(bytes(broken)), "train")
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (300, 1024, 1024)}
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("train_images.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert npz_refusal(stream.getvalue()) == "BOMB"


def test_a_telephones_picture_is_a_jpeg() -> None:
    picture = Image.fromarray(np.stack([GRAY, 255 - GRAY, GRAY], axis=-1))
    exif = picture.getexif()
    exif[images.ORIENTATION_TAG] = 6
    content = saved(picture, "MPO", save_all=True, append_images=[picture], exif=exif)
    assert inspected(content) == (9, 12, 3)
    scan = images.load(io.BytesIO(content))
    assert scan.array.shape == (9, 12, 3)
    assert {"EXIF_ROTATED", "LOSSY"} <= set(scan.flags)
