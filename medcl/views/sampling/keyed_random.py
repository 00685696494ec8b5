"""Counter-based random numbers: a draw depends on its key and its name, on nothing that was drawn before.

SplitMix64 (Steele, Lea & Flood 2014) over a key of (seed, epoch, scan fingerprint, view) and a counter that
belongs to what is drawn. Batch size, order, threads, ranks and resumption therefore change nothing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)

BANK = 1 << 20
"""Starting points in a noise bank."""


def mix(bits: np.ndarray) -> np.ndarray:
    """Return the SplitMix64 finalizer of `bits` (uint64, any shape)."""
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    mixed: np.ndarray = bits ^ (bits >> np.uint64(31))
    return mixed


def combine(key: np.ndarray, *words: int | np.ndarray) -> np.ndarray:
    """Return `key` with further words hashed in, broadcast together."""
    for word in words:
        key = mix(key + _GOLDEN * (_word(word) + np.uint64(1)))
    return key


def scan_keys(seed: int, epoch: int, fingerprints: np.ndarray) -> np.ndarray:
    """Return one key per scan, (n,) uint64."""
    return combine(np.zeros(1, np.uint64), seed, epoch, fingerprints)


def uniform(key: np.ndarray, counter: int) -> np.ndarray:
    """Return draws from [0, 1), shaped like `key`, for the quantity numbered `counter`."""
    bits = mix(key + _GOLDEN * _word(counter))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _word(value: int | np.ndarray) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value.astype(np.uint64, copy=False).reshape(value.shape or (1,))
    return np.array([value & 0xFFFFFFFFFFFFFFFF], np.uint64)


@lru_cache(maxsize=4)
def noise_bank(seed: int, epoch: int, length: int, width: int) -> np.ndarray:
    """Return standard normal numbers, (BANK + length,) float32, read-only; redrawn every epoch.

    A view reads `length` of them from its own keyed start. `width` above 0 is the row length of a view whose
    noise has the grain of a CT reconstruction: neighbors in the row and between rows correlate.
    """
    words = combine(np.zeros(1, np.uint64), seed, epoch, BANK)
    bank = np.random.Generator(np.random.Philox(key=int(words[0]))).standard_normal(
        BANK + length, dtype=np.float32
    )
    for step in (1, width) if width else ():
        bank = (np.roll(bank, step) + 2 * bank + np.roll(bank, -step)) / np.float32(np.sqrt(6.0))
    bank.flags.writeable = False
    return bank
