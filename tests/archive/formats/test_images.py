"""PNG and JPEG: values as stored, faults by name, no bomb opened."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from medcl.archive.flags import Rejected
from medcl.archive.formats import images
from tests.archive.formats.in_memory import in_memory
from tests.archive.samples import image_bytes


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def inspected_shape(content: bytes) -> tuple[int, ...]:
    return images.inspect(in_memory(content))[0].shape


def refusal(content: bytes) -> str:
    with pytest.raises(Rejected) as verdict:
        images.inspect(in_memory(content))
    return verdict.value.code


GRAY = np.arange(12 * 9, dtype=np.uint8).reshape(12, 9)


def test_gray_and_color_keep_their_values() -> None:
    assert (images.load(in_memory(saved(Image.fromarray(GRAY)))).array == GRAY).all()
    color = np.stack([GRAY, GRAY + 1, GRAY], axis=-1)
    scan = images.load(in_memory(saved(Image.fromarray(color))))
    np.testing.assert_array_equal(scan.array, color)
    equal = images.load(in_memory(saved(Image.fromarray(np.stack([GRAY] * 3, axis=-1)))))
    np.testing.assert_array_equal(equal.array, GRAY)
    assert equal.spacing_mm is None
    assert equal.affine is None


def test_sixteen_bits_alpha_and_palette() -> None:
    deep = GRAY.astype(np.uint16) * 500
    scan = images.load(in_memory(saved(Image.fromarray(deep))))
    assert scan.array.dtype == np.uint16
    assert scan.unit == "a.u."
    np.testing.assert_array_equal(scan.array, deep)
    clear = Image.fromarray(np.dstack([GRAY, GRAY, GRAY, GRAY]))
    scan = images.load(in_memory(saved(clear)))
    assert "ALPHA_DROPPED" in scan.flags
    np.testing.assert_array_equal(scan.array, GRAY)
    assert "PALETTE" in images.load(in_memory(saved(Image.fromarray(GRAY).convert("P")))).flags


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
    (info,) = images.inspect(in_memory(content))
    scan = images.load(in_memory(content))
    assert ("DEPTH_REDUCED" in info.flags) == ("DEPTH_REDUCED" in scan.flags) == flagged
    assert (scan.array.dtype == np.uint8) == flagged


def test_exif_orientation_is_applied_to_shape_and_pixels() -> None:
    exif = Image.Exif()
    exif[images.ORIENTATION_TAG] = 6
    content = saved(Image.fromarray(np.repeat(GRAY, 4, axis=1)), "JPEG", exif=exif, quality=95)
    scan = images.load(in_memory(content))
    assert inspected_shape(content) == scan.array.shape == (36, 12)
    assert "EXIF_ROTATED" in scan.flags
    assert "LOSSY" in scan.flags


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_images_are_refused(kind: str, share: float) -> None:
    content = image_bytes(3, kind, size=64)
    assert refusal(content[: int(len(content) * share)]) in ("TRUNCATED", "DAMAGED", "UNDECODABLE")


def test_a_damaged_png_and_an_image_bomb_are_refused() -> None:
    content = bytearray(image_bytes(3, size=64))
    content[len(content) // 2] ^= 0xFF
    assert refusal(bytes(content)) == "DAMAGED"
    bomb = saved(Image.new("1", (20_000, 20_000)))
    assert len(bomb) < 100_000
    assert refusal(bomb) == "TOO_LARGE"


def test_a_telephones_image_is_a_jpeg() -> None:
    image = Image.fromarray(np.stack([GRAY, 255 - GRAY, GRAY], axis=-1))
    exif = image.getexif()
    exif[images.ORIENTATION_TAG] = 6
    content = saved(image, "MPO", save_all=True, append_images=[image], exif=exif)
    assert inspected_shape(content) == (9, 12, 3)
    scan = images.load(in_memory(content))
    assert scan.array.shape == (9, 12, 3)
    assert {"EXIF_ROTATED", "LOSSY"} <= set(scan.flags)


@pytest.mark.parametrize(
    ("dtype", "bits", "low"),
    [("u1", 4, 0), ("u1", 8, 0), ("u2", 10, 0), ("u2", 12, 0), ("u2", 16, 0), ("i2", 16, -9000)],
)
def test_jpeg_2000_of_any_depth_keeps_its_values(dtype: str, bits: int, low: int) -> None:
    codecs = pytest.importorskip("imagecodecs")
    stored = (np.arange(60 * 80).reshape(60, 80) * 7 % (1 << bits) + low).astype(dtype)
    content = codecs.jpeg2k_encode(stored, level=0, bitspersample=bits, reversible=True)
    np.testing.assert_array_equal(images.load(in_memory(content)).array, stored)


def test_jpeg_2000_of_deep_color_says_that_it_is_reduced() -> None:
    codecs = pytest.importorskip("imagecodecs")
    stored = np.stack([np.arange(4800, dtype=np.uint16).reshape(60, 80) * step for step in (1, 5, 9)], -1)
    content = codecs.jpeg2k_encode(stored, level=0, reversible=True)
    assert "DEPTH_REDUCED" in images.load(in_memory(content)).flags
    assert "DEPTH_REDUCED" in images.inspect(in_memory(content))[0].flags


def test_a_tiff_of_signed_bytes_is_refused() -> None:
    content = saved(Image.fromarray(GRAY), "TIFF", tiffinfo={images.SAMPLE_FORMAT_TAG: images.SIGNED})
    assert refusal(content) == "UNSUPPORTED_DTYPE"
