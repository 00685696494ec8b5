"""PNG and JPEG images. Their pixels have no physical size, whatever a DPI tag says."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from medcl.archive.arrays import compact, gray_if_equal
from medcl.archive.flags import quarantined
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.limits import is_bomb
from medcl.archive.scan import Scan
from medcl.archive.storage.open_file import SourceFile

MAGIC = ((0, b"\x89PNG\r\n\x1a\n"), (0, b"\xff\xd8\xff"))
PILLOW_FORMATS = ("PNG", "JPEG")
JPEGS = ("JPEG", "MPO")
"""Names of JPEG in Pillow: MPO is a JPEG followed by others, as mobile phones write it."""

TAIL_BYTES = 4096
ORIENTATION_TAG = 0x0112
Result = TypeVar("Result")


def inspect(file: SourceFile) -> list[ScanInfo]:
    """Check an image and return it as one scan; pixels are decoded only where no cheaper check is certain.

    Raises:
        Rejected: TRUNCATED, DAMAGED, BOMB, TOO_LARGE (Pillow's limit) or UNDECODABLE.
    """
    with file.open() as stream, _open(stream) as picture:
        _refuse_bomb(picture, file.size)
        flags = _flags(picture)
        width, height = picture.size
        is_transposed = _orientation(picture) in (5, 6, 7, 8)
        shape = (width, height) if is_transposed else (height, width)
        mode, compressed = picture.mode, picture.format
        if compressed == "PNG":
            _run(picture.verify)
        is_truncated = compressed in JPEGS and not _has_end(stream, file.size)
    if is_truncated:
        with file.open() as stream, _open(stream) as picture:
            _run(picture.load)
    gray = mode in ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")
    return [
        ScanInfo(
            part="",
            source="image",
            kind="picture",
            shape=shape if gray else (*shape, 3),
            spacing_mm=None,
            unit="a.u." if mode.startswith(("I", "F")) else "display",
            flags=flags,
        )
    ]


def load(file: SourceFile, part: str = "") -> Scan:
    """Return an image as (row, column) gray, or (row, column, 3) where its channels differ.

    Raises:
        Rejected: As `inspect`.
    """
    with file.open() as stream, _open(stream) as picture:
        _refuse_bomb(picture, file.size)
        flags = _flags(picture)
        _run(picture.load)
        array = _pixels(picture if _orientation(picture) == 1 else ImageOps.exif_transpose(picture))
    return Scan(
        array=array,
        affine=None,
        spacing_mm=None,
        unit="display" if array.dtype == np.uint8 else "a.u.",
        modality="unknown",
        flags=flags,
    )


def _pixels(picture: Image.Image) -> np.ndarray:
    if picture.mode in ("L", "I", "I;16", "I;16B", "I;16L", "F"):
        return compact(np.asarray(picture))
    if picture.mode == "1" or picture.mode == "LA":
        return np.asarray(picture.convert("L"))
    return gray_if_equal(np.asarray(picture.convert("RGB")))


def _flags(picture: ImageFile.ImageFile) -> tuple[str, ...]:
    flags = {"SPACING_UNKNOWN", "NO_GEOM"}
    if picture.format in JPEGS:
        flags.add("LOSSY")
    if picture.mode in ("LA", "PA", "RGBA", "RGBa", "La"):
        flags.add("ALPHA_DROPPED")
    if not picture.mode.startswith("I") and any(str(tile[3]).endswith(";16B") for tile in picture.tile):
        flags.add("DEPTH_REDUCED")
    if picture.mode in ("P", "PA"):
        flags.add("PALETTE")
    if _orientation(picture) != 1:
        flags.add("EXIF_ROTATED")
    return tuple(sorted(flags))


def _refuse_bomb(picture: Image.Image, size: int) -> None:
    width, height = picture.size
    if is_bomb(width * height * len(picture.getbands()), size):
        raise quarantined("BOMB")


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, which viewers apply to JPEG (1 is upright, 5 to 8 are transposed)."""
    value = picture.getexif().get(ORIENTATION_TAG, 1) if picture.format in JPEGS else 1
    return value if value in range(1, 9) else 1


def _open(stream: BinaryIO) -> ImageFile.ImageFile:
    def open_image() -> ImageFile.ImageFile:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(stream, formats=PILLOW_FORMATS)

    return _run(open_image)


def _run(action: Callable[[], Result]) -> Result:
    """Run a step of Pillow; its exceptions, whose texts quote the file, become `Rejected`."""
    try:
        return action()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise quarantined("TOO_LARGE") from None
    except UnidentifiedImageError:
        raise quarantined("UNDECODABLE") from None
    except (OSError, SyntaxError, ValueError, struct.error, EOFError) as error:
        is_truncated = "truncated" in str(error).lower()
        raise quarantined("TRUNCATED" if is_truncated else "DAMAGED") from None


def _has_end(stream: BinaryIO, size: int) -> bool:
    """Return whether the last bytes of a JPEG have its end marker (some writers pad after it)."""
    stream.seek(max(0, size - TAIL_BYTES))
    return b"\xff\xd9" in stream.read(TAIL_BYTES)
