"""Files that repeat themselves are recognized undecoded."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest

from medcl.archive.storage.monotonous import SAMPLE_VALUES, is_monotonous

LABELS = np.zeros((64, 64, 32), np.uint8)
LABELS[20:40, 20:40, 10:20] = 3
IMAGE = np.random.default_rng(0).integers(0, 255, LABELS.shape, np.uint8)


@pytest.mark.parametrize(
    ("content", "monotonous"),
    [
        (LABELS.tobytes(), True),
        (IMAGE.tobytes(), False),
        (gzip.compress(LABELS.tobytes()), True),
        (gzip.compress(IMAGE.tobytes()), False),
        (IMAGE.tobytes()[: LABELS.size // 2], False),
        ((IMAGE % SAMPLE_VALUES).tobytes(), True),
        ((IMAGE % (SAMPLE_VALUES + 1)).tobytes(), False),
    ],
)
def test_few_values_or_strong_compression_are_monotonous(content: bytes, monotonous: bool) -> None:
    stream = io.BytesIO(content)
    assert is_monotonous(stream, len(content), LABELS.size) is monotonous
    assert stream.tell() == 0


def test_a_small_label_map_is_monotonous_although_headers_take_much_of_it() -> None:
    packed = gzip.compress(LABELS[16:28, 18:28, 8:16].tobytes())
    assert is_monotonous(io.BytesIO(packed), len(packed), 960)
    packed = gzip.compress(IMAGE[:12, :10, :8].tobytes())
    assert not is_monotonous(io.BytesIO(packed), len(packed), 960)
