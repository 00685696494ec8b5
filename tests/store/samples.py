"""Small archives for tests of the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_images(folder: Path, classes: dict[str, int], seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = generator.integers(0, 255, (24, 30), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}{number}.png")
    return folder
