"""Any directions, byte order and type give what NIfTI gives; a file cut anywhere is refused."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.archive.flags import Rejected
from medcl.archive.formats import metaimage, mgh, nifti, nrrd
from tests.archive.formats import volumes
from tests.archive.formats.in_memory import in_memory

TYPES = {
    "u1": ("MET_UCHAR", "uchar"), "i2": ("MET_SHORT", "short"), "u2": ("MET_USHORT", "ushort"),
    "i4": ("MET_INT", "int"), "f4": ("MET_FLOAT", "float"), "f8": ("MET_DOUBLE", "double"),
}  # fmt: skip


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    """Draw an affine with any rotation, order and direction of axes."""
    rotation, _ = np.linalg.qr(np.random.default_rng(draw(st.integers(0, 9999))).normal(size=(3, 3)))
    spacing = draw(st.lists(st.floats(0.3, 8.0), min_size=3, max_size=3))
    affine = np.eye(4)
    affine[:3, :3] = rotation[:, draw(st.permutations(range(3)))] * spacing
    affine[:3, 3] = draw(st.lists(st.floats(-300, 300), min_size=3, max_size=3))
    return affine


@given(affine=affines(), kind=st.sampled_from(sorted(TYPES)), order=st.sampled_from("<>"))
@settings(max_examples=60, deadline=None)
def test_any_directions_type_and_byte_order_are_those_of_nifti(
    affine: np.ndarray, kind: str, order: str
) -> None:
    array = np.arange(60).reshape(5, 4, 3).astype(kind)
    expected = nifti.load(in_memory(nib.Nifti1Image(array, affine).to_bytes()), "")
    met, name = TYPES[kind]
    raw = volumes.stored(array, order)
    mha = volumes.metaimage(array, affine, order).replace(b"MET_SHORT", met.encode()) + raw
    nrrd_file = volumes.nrrd(array, affine, order).replace(b"type: short", f"type: {name}".encode()) + raw
    for scan in (metaimage.load(in_memory(mha), ""), nrrd.load(in_memory(nrrd_file), "")):
        assert np.array_equal(scan.array, expected.array)
        assert scan.affine is not None
        assert expected.affine is not None
        assert np.abs(scan.affine - expected.affine).max() < 1e-4


WRITTEN = volumes.written()
CUTTABLE = {
    "a.mha": (metaimage, WRITTEN["mha-little"][1]["a.mha"]),
    "packed.mha": (metaimage, WRITTEN["mha-zlib-big"][1]["a.mha"]),
    "a.nrrd": (nrrd, WRITTEN["nrrd-raw-big"][1]["a.nrrd"]),
    "packed.nrrd": (nrrd, WRITTEN["nrrd-gzip-little"][1]["a.nrrd"]),
    "a.mgh": (mgh, WRITTEN["mgh"][1]["a.mgh"][: 284 + volumes.voxels().nbytes]),
}


@pytest.mark.parametrize("name", CUTTABLE)
@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=40, deadline=None)
def test_a_file_cut_anywhere_is_refused(name: str, share: float) -> None:
    module, content = CUTTABLE[name]
    cut = in_memory(content[: int(share * len(content))])
    with pytest.raises(Rejected):
        module.load(cut, module.inspect(cut)[0].part)  # type: ignore[attr-defined]
