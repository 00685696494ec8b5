"""PNG, JPEG, JPEG 2000, TIFF, BMP, GIF and WebP. Pixels have no physical size, whatever a DPI tag says.

Every page of a TIFF and every frame of an animation is an image of its own.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Callable
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from medcl.archive.arrays import compact, gray_if_equal
from medcl.archive.flags import Rejected, dropped, quarantined
from medcl.archive.formats.refused import SLIDES
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.limits import is_bomb
from medcl.archive.scan import Scan
from medcl.archive.storage.open_file import SourceFile

MAGIC = (
    (0, b"\x89PNG\r\n\x1a\n"),
    (0, b"\xff\xd8\xff"),
    *((0, magic) for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (0, b"BM"),
    (0, b"GIF8"),
    (8, b"WEBP"),
    (0, b"\0\0\0\x0cjP  "),
    (0, b"\xff\x4f\xff\x51"),
)
PILLOW_FORMATS = ("PNG", "JPEG", "JPEG2000", "TIFF", "BMP", "GIF", "WEBP")
PAGED = ("TIFF", "GIF", "WEBP")
MAX_PAGES = 100_000
JPEGS = ("JPEG", "MPO")
"""Names of JPEG in Pillow: MPO is a JPEG followed by others, as mobile phones write it."""

TAIL_BYTES = 4096
ORIENTATION_TAG = 0x0112
PHOTOMETRIC_TAG, DESCRIPTION_TAG, MAKE_TAG, NDPI_TAG = 262, 270, 271, 65420
OFFSET_TAGS = ((273, 279), (324, 325))
"""Tags of TIFF with the offsets of strips or tiles and their lengths in bytes."""

Result = TypeVar("Result")


def inspect(file: SourceFile) -> list[ScanInfo]:
    """Check an image and return it as one scan; pixels are decoded only where no cheaper check is certain.

    Raises:
        Rejected: TRUNCATED, DAMAGED, BOMB, TOO_LARGE (Pillow's limit) or UNDECODABLE.
    """
    with file.open() as stream, _open_named(stream, file) as picture:
        pages = _pages(picture, file)
        scans = [_page(picture, number, pages, file) for number in range(pages)]
        is_truncated = picture.format in JPEGS and not _has_end(stream, file.size)
        if picture.format == "PNG":
            _run(picture.verify)
        elif not is_truncated and picture.format in ("JPEG2000", "BMP", "GIF", "WEBP"):
            _run(picture.load)
    if is_truncated:
        with file.open() as stream, _open(stream) as picture:
            _run(picture.load)
    return scans


def _page(picture: ImageFile.ImageFile, number: int, pages: int, file: SourceFile) -> ScanInfo:
    """Check one page of an image and return its description."""
    if pages > 1:
        _run(lambda: picture.seek(number))
    _refuse_bomb(picture, file.size)
    if picture.format == "TIFF":
        _check_strips(picture, file.size)
    flags = {*_flags(picture), *(["FRAME_OF_MANY"] if pages > 1 else [])}
    width, height = picture.size
    is_transposed = picture.format in JPEGS and _orientation(picture) in (5, 6, 7, 8)
    shape = (width, height) if is_transposed else (height, width)
    return ScanInfo(
        part=f"page:{number}" if pages > 1 else "",
        source="image",
        kind="picture",
        shape=shape if picture.mode in GRAY_MODES else (*shape, 3),
        spacing_mm=None,
        unit="a.u." if picture.mode.startswith(("I", "F")) else "display",
        flags=tuple(sorted(flags)),
    )


def _pages(picture: ImageFile.ImageFile, file: SourceFile) -> int:
    """Return the number of pages; whole slide images, whose pages are tiles and scales, are refused."""
    if picture.format not in PAGED:
        return 1
    pages = int(_run(lambda: getattr(picture, "n_frames", 1)))
    if pages > MAX_PAGES:
        raise quarantined("TOO_LARGE")
    if picture.format == "TIFF":
        _run(lambda: picture.seek(0))
        _refuse_slide(picture, pages)
        stated = re.search(r"ImageJ=.*images=(\d+)", _text(picture, DESCRIPTION_TAG), flags=re.DOTALL)
        if stated is not None and int(stated[1]) > pages:
            raise quarantined("TOO_LARGE")  # ImageJ writes stacks of over 4 GiB behind a single directory
    return pages


def _refuse_slide(picture: ImageFile.ImageFile, pages: int) -> None:
    tags = picture.tag_v2  # type: ignore[attr-defined]
    maker = f"{_text(picture, DESCRIPTION_TAG)[:200]} {_text(picture, MAKE_TAG)}".lower()
    is_slide = NDPI_TAG in tags or any(word in maker for word in ("aperio", "hamamatsu", "leica scn"))
    if not is_slide and 324 in tags and pages > 1:
        size = picture.size
        _run(lambda: picture.seek(1))
        is_slide = picture.size != size
        _run(lambda: picture.seek(0))
    if is_slide:
        raise dropped("WHOLE_SLIDE")


def _text(picture: ImageFile.ImageFile, tag: int) -> str:
    return str(picture.tag_v2.get(tag, ""))  # type: ignore[attr-defined]


def _check_strips(picture: ImageFile.ImageFile, size: int) -> None:
    tags = picture.tag_v2  # type: ignore[attr-defined]
    for offsets, lengths in OFFSET_TAGS:
        ends = [at + length for at, length in zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=False)]
        if max(ends, default=0) > size:
            raise quarantined("TRUNCATED")


def load(file: SourceFile, part: str = "") -> Scan:
    """Return an image as (row, column) gray, or (row, column, 3) where its channels differ.

    Raises:
        Rejected: As `inspect`.
    """
    with file.open() as stream, _open(stream) as picture:
        if part:
            _run(lambda: picture.seek(int(part.partition(":")[2])))
        _refuse_bomb(picture, file.size)
        flags = tuple(sorted({*_flags(picture), *(["FRAME_OF_MANY"] if part else [])}))
        is_inverted = _is_inverted(picture) and picture.mode.startswith("I")
        is_rotated = picture.format in JPEGS and _orientation(picture) != 1
        _run(picture.load)
        array = _pixels(ImageOps.exif_transpose(picture) if is_rotated else picture)
        array = np.iinfo(np.uint16).max - array if is_inverted else array  # Pillow inverts 8 bits only
    return Scan(
        array=array,
        affine=None,
        spacing_mm=None,
        unit="display" if array.dtype == np.uint8 else "a.u.",
        modality="unknown",
        flags=flags,
    )


GRAY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")


def _pixels(picture: Image.Image) -> np.ndarray:
    if picture.mode in ("L", "I", "I;16", "I;16B", "I;16L", "F"):
        return compact(np.asarray(picture))
    if picture.mode == "1" or picture.mode == "LA":
        return np.asarray(picture.convert("L"))
    return gray_if_equal(np.asarray(picture.convert("RGB")))


def _flags(picture: ImageFile.ImageFile) -> tuple[str, ...]:
    flags = {"SPACING_UNKNOWN", "NO_GEOM"}
    if picture.format in JPEGS or _is_lossy(picture):
        flags.add("LOSSY")
    if _is_inverted(picture):
        flags.add("MONO1_INVERTED")
    if picture.mode in ("LA", "PA", "RGBA", "RGBa", "La"):
        flags.add("ALPHA_DROPPED")
    if picture.mode not in GRAY_MODES and any(";16" in str(tile[3]) for tile in picture.tile):
        flags.add("DEPTH_REDUCED")
    if picture.mode in ("P", "PA"):
        flags.add("PALETTE")
    if _orientation(picture) != 1:
        flags.add("EXIF_ROTATED")
    return tuple(sorted(flags))


def _is_lossy(picture: ImageFile.ImageFile) -> bool:
    """Return whether JPEG 2000, WebP or a TIFF with JPEG inside is lossy, by its first bytes."""
    if picture.format == "TIFF":
        return picture.info.get("compression") in ("jpeg", "tiff_jpeg")
    if picture.format not in ("JPEG2000", "WEBP"):
        return False
    stream = picture.fp
    if stream is None:
        return True
    place = stream.tell()
    stream.seek(0)
    head = stream.read(TAIL_BYTES)
    stream.seek(place)
    if picture.format == "WEBP":
        return b"VP8L" not in head
    style = head.find(b"\xff\x52")  # transformation 1 is the reversible wavelet
    return style < 0 or head[style + 13 : style + 14] != b"\1"


def _is_inverted(picture: ImageFile.ImageFile) -> bool:
    """Return whether low values of a TIFF are bright."""
    if picture.format != "TIFF":
        return False
    return picture.tag_v2.get(PHOTOMETRIC_TAG) == 0 and picture.mode in ("L", "I;16", "I;16B", "I;16L")  # type: ignore[attr-defined]


def _refuse_bomb(picture: Image.Image, size: int) -> None:
    width, height = picture.size
    if is_bomb(width * height * len(picture.getbands()), size):
        raise quarantined("BOMB")


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, which viewers apply to JPEG (1 is upright, 5 to 8 are transposed)."""
    value = picture.getexif().get(ORIENTATION_TAG, 1) if picture.format in (*JPEGS, "TIFF") else 1
    return value if value in range(1, 9) else 1


def _open(stream: BinaryIO) -> ImageFile.ImageFile:
    def open_image() -> ImageFile.ImageFile:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(stream, formats=PILLOW_FORMATS)

    return _run(open_image)


def _open_named(stream: BinaryIO, file: SourceFile) -> ImageFile.ImageFile:
    """Open an image; a TIFF that cannot be read as one may be a whole slide image."""
    try:
        return _open(stream)
    except Rejected as fault:
        stream.seek(0)
        is_tiff = stream.read(2) in (b"II", b"MM")
        is_slide = SLIDES.search(file.member or file.path) is not None
        if is_tiff and (fault.code == "TOO_LARGE" or is_slide):
            raise dropped("WHOLE_SLIDE") from None
        raise


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
