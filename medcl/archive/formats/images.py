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

from medcl.archive.arrays import compact, gray_if_equal, image_unit
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
SAMPLE_FORMAT_TAG, SIGNED = 339, 2
PHOTOMETRIC_TAG, DESCRIPTION_TAG, MAKE_TAG, NDPI_TAG = 262, 270, 271, 65420
OFFSET_TAGS = ((273, 279), (324, 325))
"""Tags of TIFF with the offsets of strips or tiles and their lengths in bytes."""

Result = TypeVar("Result")


def inspect(file: SourceFile) -> list[ScanInfo]:
    """Check an image and return it as one scan; pixels are decoded only where no cheaper check is certain.

    Raises:
        Rejected: TRUNCATED, DAMAGED, BOMB, TOO_LARGE (Pillow's limit) or UNDECODABLE.
    """
    with file.open() as stream, _open_named(stream, file) as image:
        pages = _pages(image, file)
        scans = [_page(image, number, pages, file) for number in range(pages)]
        is_truncated = image.format in JPEGS and not _has_end(stream, file.size)
        if image.format == "PNG":
            _run(image.verify)
        elif not is_truncated and image.format in ("JPEG2000", "BMP", "GIF", "WEBP"):
            _run(image.load)
    if is_truncated:
        with file.open() as stream, _open(stream) as image:
            _run(image.load)
    return scans


def _page(image: ImageFile.ImageFile, number: int, pages: int, file: SourceFile) -> ScanInfo:
    """Check one page of an image and return its description."""
    if pages > 1:
        _run(lambda: image.seek(number))
    _refuse_bomb(image, file.size)
    if image.format == "TIFF":
        _check_strips(image, file.size)
        if image.mode == "L" and SIGNED in np.atleast_1d(image.tag_v2.get(SAMPLE_FORMAT_TAG, 1)):  # type: ignore[attr-defined]
            raise quarantined("UNSUPPORTED_DTYPE")  # Pillow takes signed bytes as unsigned
    flags = {*_flags(image), *(["FRAME_OF_MANY"] if pages > 1 else [])}
    width, height = image.size
    is_transposed = image.format in JPEGS and _orientation(image) in (5, 6, 7, 8)
    shape = (width, height) if is_transposed else (height, width)
    return ScanInfo(
        part=f"page:{number}" if pages > 1 else "",
        source="image",
        kind="image",
        shape=shape if image.mode in GRAY_MODES else (*shape, 3),
        spacing_mm=None,
        unit="a.u." if image.mode.startswith(("I", "F")) else "display",
        flags=tuple(sorted(flags)),
    )


def _pages(image: ImageFile.ImageFile, file: SourceFile) -> int:
    """Return the number of pages; whole slide images, whose pages are tiles and scales, are refused."""
    if image.format not in PAGED:
        return 1
    pages = int(_run(lambda: getattr(image, "n_frames", 1)))
    if pages > MAX_PAGES:
        raise quarantined("TOO_LARGE")
    if image.format == "TIFF":
        _run(lambda: image.seek(0))
        _refuse_slide(image, pages)
        stated = re.search(r"ImageJ=.*images=(\d+)", _text(image, DESCRIPTION_TAG), flags=re.DOTALL)
        if stated is not None and int(stated[1]) > pages:
            raise quarantined("TOO_LARGE")  # ImageJ writes stacks of over 4 GiB behind a single directory
    return pages


def _refuse_slide(image: ImageFile.ImageFile, pages: int) -> None:
    tags = image.tag_v2  # type: ignore[attr-defined]
    maker = f"{_text(image, DESCRIPTION_TAG)[:200]} {_text(image, MAKE_TAG)}".lower()
    is_slide = NDPI_TAG in tags or any(word in maker for word in ("aperio", "hamamatsu", "leica scn"))
    if not is_slide and 324 in tags and pages > 1:
        size = image.size
        _run(lambda: image.seek(1))
        is_slide = image.size != size
        _run(lambda: image.seek(0))
    if is_slide:
        raise dropped("WHOLE_SLIDE")


def _text(image: ImageFile.ImageFile, tag: int) -> str:
    return str(image.tag_v2.get(tag, ""))  # type: ignore[attr-defined]


def _check_strips(image: ImageFile.ImageFile, size: int) -> None:
    tags = image.tag_v2  # type: ignore[attr-defined]
    for offsets, lengths in OFFSET_TAGS:
        ends = [at + length for at, length in zip(tags.get(offsets, ()), tags.get(lengths, ()), strict=False)]
        if max(ends, default=0) > size:
            raise quarantined("TRUNCATED")


def load(file: SourceFile, part: str = "") -> Scan:
    """Return an image as (row, column) gray, or (row, column, 3) where its channels differ.

    Raises:
        Rejected: As `inspect`.
    """
    with file.open() as stream, _open(stream) as image:
        if part:
            _run(lambda: image.seek(int(part.partition(":")[2])))
        _refuse_bomb(image, file.size)
        flags = tuple(sorted({*_flags(image), *(["FRAME_OF_MANY"] if part else [])}))
        is_inverted = _is_inverted(image) and image.mode.startswith("I")
        is_rotated = image.format in JPEGS and _orientation(image) != 1
        depth, is_gray = _depth(image), image.mode in GRAY_MODES
        _run(image.load)
        array = _pixels(ImageOps.exif_transpose(image) if is_rotated else image)
        array = np.iinfo(np.uint16).max - array if is_inverted else array  # Pillow inverts 8 bits only
        array = _as_stored(array, depth) if is_gray else array
    return Scan(
        array=array,
        affine=None,
        spacing_mm=None,
        unit=image_unit(array.dtype),
        modality="unknown",
        flags=flags,
    )


GRAY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")


def _pixels(image: Image.Image) -> np.ndarray:
    if image.mode in ("L", "I", "I;16", "I;16B", "I;16L", "F"):
        return compact(np.asarray(image))
    if image.mode == "1" or image.mode == "LA":
        return np.asarray(image.convert("L"))
    return gray_if_equal(np.asarray(image.convert("RGB")))


def _flags(image: ImageFile.ImageFile) -> tuple[str, ...]:
    flags = {"SPACING_UNKNOWN", "NO_GEOM"}
    if image.format in JPEGS or _is_lossy(image):
        flags.add("LOSSY")
    if _is_inverted(image):
        flags.add("MONO1_INVERTED")
    if image.mode in ("LA", "PA", "RGBA", "RGBa", "La"):
        flags.add("ALPHA_DROPPED")
    depth = _depth(image)
    is_deep = any(";16" in str(tile[3]) for tile in image.tile) or (depth is not None and depth[0] > 8)
    if image.mode not in GRAY_MODES and is_deep:
        flags.add("DEPTH_REDUCED")
    if image.mode in ("P", "PA"):
        flags.add("PALETTE")
    if _orientation(image) != 1:
        flags.add("EXIF_ROTATED")
    return tuple(sorted(flags))


def _is_lossy(image: ImageFile.ImageFile) -> bool:
    """Return whether JPEG 2000, WebP or a TIFF with JPEG inside is lossy, by its first bytes."""
    if image.format == "TIFF":
        return image.info.get("compression") in ("jpeg", "tiff_jpeg")
    if image.format not in ("JPEG2000", "WEBP"):
        return False
    head = _head(image)
    if image.format == "WEBP":
        return b"VP8L" not in head
    style = head.find(b"\xff\x52")  # transformation 1 is the reversible wavelet
    return style < 0 or head[style + 13 : style + 14] != b"\1"


def _head(image: ImageFile.ImageFile) -> bytes:
    """Return the first bytes of an image that is not loaded yet, else nothing."""
    stream = image.fp
    if stream is None:
        return b""
    place = stream.tell()
    stream.seek(0)
    head: bytes = stream.read(TAIL_BYTES)
    stream.seek(place)
    return head


def _depth(image: ImageFile.ImageFile) -> tuple[int, bool] | None:
    """Return the bits and the sign of the first component of a JPEG 2000, else None."""
    head = _head(image) if image.format == "JPEG2000" else b""
    size = head.find(b"\xff\x4f\xff\x51")
    if size < 0 or len(head) <= size + 42:
        return None
    return (head[size + 42] & 0x7F) + 1, head[size + 42] > 0x7F


def _as_stored(array: np.ndarray, depth: tuple[int, bool] | None) -> np.ndarray:
    """Return gray values as a JPEG 2000 stores them: Pillow spreads them over 8 or 16 bits, from 0 on."""
    width = 8 * array.dtype.itemsize
    if depth is None or depth == (width, False) or depth[0] > width:
        return array
    bits, is_signed = depth
    return compact((array.astype(np.int32) >> (width - bits)) - (1 << (bits - 1) if is_signed else 0))


def _is_inverted(image: ImageFile.ImageFile) -> bool:
    """Return whether low values of a TIFF are bright."""
    if image.format != "TIFF":
        return False
    return image.tag_v2.get(PHOTOMETRIC_TAG) == 0 and image.mode in ("L", "I;16", "I;16B", "I;16L")  # type: ignore[attr-defined]


def _refuse_bomb(image: Image.Image, size: int) -> None:
    width, height = image.size
    if is_bomb(width * height * len(image.getbands()), size):
        raise quarantined("BOMB")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, which viewers apply to JPEG (1 is upright, 5 to 8 are transposed)."""
    value = image.getexif().get(ORIENTATION_TAG, 1) if image.format in (*JPEGS, "TIFF") else 1
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
