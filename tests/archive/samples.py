"""Small archives made on the spot."""

from __future__ import annotations

import io
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image


def nifti_bytes(seed: int = 0, shape: tuple[int, ...] = (6, 5, 4), dtype: type = np.int16) -> bytes:
    values = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    image = nib.Nifti1Image(values, np.diag([2.0, 2, 3, 1]))
    image.header.set_xyzt_units("mm", "sec")
    return bytes(image.to_bytes())


def image_bytes(seed: int = 0, kind: str = "PNG", size: int = 20) -> bytes:
    values = np.random.default_rng(seed).integers(0, 255, (size, size + 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind)
    return stream.getvalue()


def npz_bytes(count: int = 5) -> bytes:
    rng = np.random.default_rng(0)
    arrays = {}
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = rng.integers(0, 255, (count, 8, 9), dtype=np.uint8)
        arrays[f"{split}_labels"] = rng.integers(0, 2, (count, 1), dtype=np.uint8)
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def mixed_archive(folder: Path) -> dict[str, int]:
    """Write an archive with good and bad files and return how many of each state it holds."""
    used = {
        "sub-01/anat/a.nii": nifti_bytes(1),
        "sub-01/anat/b.nii.gz": nifti_bytes(2),
        "sub-02/anat/four.nii": nifti_bytes(3, (4, 4, 3, 5)),
        "images/x.png": image_bytes(4),
        "images/no_suffix": image_bytes(5, "JPEG"),
        "set.npz": npz_bytes(),
    }
    dropped = {
        "notes.txt": b"nothing to see",
        "empty": b"",
        "raw.bin": bytes(range(256)) * 4,
        "a.heic": b"\0\0\0\x18ftypheic" + bytes(99),
    }
    quarantined = {
        "cut.nii": nifti_bytes(6)[:400],
        "images/cut.png": image_bytes(7)[:100],
        "images/cut.jpg": image_bytes(8, "JPEG")[:-40],
    }
    for name, content in {**used, **dropped, **quarantined}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return {"used": len(used), "dropped": len(dropped), "quarantined": len(quarantined)}
