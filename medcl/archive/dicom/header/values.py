"""Raw values of DICOM elements as Python values (PS3.5 section 6.2), and what makes a value usable."""

from __future__ import annotations

import math
import struct
from typing import Any

Vector = tuple[float, ...]


def text(raw: bytes, little: bool = True) -> str:
    """Return one string without its padding; anything but ASCII becomes a question mark."""
    return raw.decode("ascii", "replace").strip("\0 \n\r\t")


def identifier(raw: bytes, little: bool = True) -> str:
    """Return an identifier with every byte kept."""
    return raw.decode("latin-1").strip("\0 ")


def strings(raw: bytes, little: bool = True) -> tuple[str, ...]:
    """Return the values of a multi-valued string."""
    value = text(raw)
    return tuple(word.strip() for word in value.split("\\")) if value else ()


def decimals(raw: bytes, little: bool = True) -> Vector | None:
    """Return the values of a decimal string (DS), or None when it is empty or holds no finite numbers."""
    value = text(raw)
    if not value:
        return None
    numbers = tuple(float(word.replace(",", ".")) for word in value.split("\\"))
    if not all(map(math.isfinite, numbers)):
        raise ValueError
    return numbers


def decimal(raw: bytes, little: bool = True) -> float | None:
    """Return the first value of a decimal string."""
    numbers = decimals(raw.split(b"\\")[0])
    return numbers[0] if numbers else None


def integer(raw: bytes, little: bool = True) -> int | None:
    """Return the first value of an integer string (IS)."""
    number = decimal(raw)
    return None if number is None else int(number)


def short(raw: bytes, little: bool = True) -> int:
    """Return an unsigned 16-bit value (US)."""
    return int.from_bytes(raw[:2], "little" if little else "big")


def shorts(raw: bytes, little: bool = True) -> tuple[int, ...]:
    """Return unsigned 16-bit values (US)."""
    count = len(raw) // 2
    return struct.unpack(f"{'<' if little else '>'}{count}H", raw[: 2 * count])


def doubles(raw: bytes, little: bool = True) -> Vector | None:
    """Return 64-bit floats (FD)."""
    count = len(raw) // 8
    numbers = struct.unpack(f"{'<' if little else '>'}{count}d", raw[: 8 * count])
    return numbers if count and all(map(math.isfinite, numbers)) else None


def singles(raw: bytes, little: bool = True) -> Vector | None:
    """Return 32-bit floats (FL)."""
    count = len(raw) // 4
    numbers = struct.unpack(f"{'<' if little else '>'}{count}f", raw[: 4 * count])
    return numbers if count and all(map(math.isfinite, numbers)) else None


def single(raw: bytes, little: bool = True) -> float | None:
    """Return the first 32-bit float."""
    numbers = singles(raw[:4], little)
    return numbers[0] if numbers else None


def double(raw: bytes, little: bool = True) -> float | None:
    """Return the first 64-bit float."""
    numbers = doubles(raw[:8], little)
    return numbers[0] if numbers else None


def stored_value(raw: bytes, little: bool = True) -> bytes:
    """Return a 16-bit pixel value as little-endian bytes; its sign is known only with the whole header."""
    return raw[:2] if little else raw[1::-1]


def direction(vector: Vector | None) -> Vector | None:
    """Return an orientation as two unit vectors at right angles, or None where they are not within .01.

    What writers round away would stretch or shear the whole volume.
    """
    if vector is None or len(vector) != 6:
        return None
    row, column = vector[:3], vector[3:]
    lengths = math.hypot(*row), math.hypot(*column)
    dot = sum(a * b for a, b in zip(row, column, strict=True))
    if max(abs(length - 1) for length in lengths) > 0.01 or abs(dot) > 0.01:
        return None
    along = tuple(a / lengths[0] for a in row)
    dot = sum(a * b for a, b in zip(along, column, strict=True))
    down = tuple(b - dot * a for a, b in zip(along, column, strict=True))
    return along + tuple(b / math.hypot(*down) for b in down)


def sizes(vector: Vector | None) -> Vector | None:
    """Return two positive millimeters (one stated value stands for both), or None."""
    if not vector or min(vector) <= 0 or len(vector) > 2:
        return None
    return vector if len(vector) == 2 else vector * 2


def place(raw: bytes | None) -> Vector | None:
    """Return a position of three numbers, or None."""
    try:
        vector = decimals(raw) if raw else None
    except ValueError:
        return None
    return vector if vector is not None and len(vector) == 3 else None


def finite_number(value: Any) -> float | None:
    """Return a value of a sequence's item as a finite number, or None when it is empty.

    Raises:
        ValueError: The value is infinite or no number.
    """
    if value is None or value == "":
        return None
    parsed = float(value)
    if not math.isfinite(parsed):
        raise ValueError
    return parsed


def finite_vector(value: Any, length: int) -> Vector | None:
    """Return a value of a sequence's item as finite numbers, or None when it has another length.

    Raises:
        ValueError: One of them is infinite or no number.
    """
    if value is None or isinstance(value, str) or len(value) != length:
        return None
    parsed = tuple(float(part) for part in value)
    if not all(map(math.isfinite, parsed)):
        raise ValueError
    return parsed
