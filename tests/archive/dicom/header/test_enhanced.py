"""Enhanced objects: stacks, moments, echoes, b-values and any other dimension give volumes of their own."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from medcl.archive.scan import Scan
from medcl.testing import phantom
from tests.archive.dicom.samples import Folder

GEOMETRY = replace(phantom.AXIAL, rows=12, columns=14, spacing=(11.0, 10.0), step=9.0, count=5)
ENHANCED_MR, ULTRASOUND_VOLUME = "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.6.2"
Groups = Mapping[str, Mapping[str, Any]]

DIMENSIONS: dict[str, tuple[str, str, list[Any]]] = {
    "moment": ("FrameContentSequence", "TemporalPositionIndex", [1, 2]),
    "echo": ("MREchoSequence", "EffectiveEchoTime", [4.9, 9.8]),
    "b-value": ("MRDiffusionSequence", "DiffusionBValue", [0.0, 1000.0]),
    "inversion": ("MRModifierSequence", "InversionTimes", [700.0, 2500.0]),
    "component": ("MRImageFrameTypeSequence", "ComplexImageComponent", ["MAGNITUDE", "PHASE"]),
    "trigger": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", [0.0, 40.0]),
    "index alone": ("FrameContentSequence", "", [1, 2]),
}


def item(groups: Groups) -> Dataset:
    dataset = Dataset()
    for sequence, attributes in groups.items():
        inner = Dataset()
        for keyword, value in attributes.items():
            setattr(inner, keyword, value)
        setattr(dataset, sequence, Items([inner]))
    return dataset


def enhanced(frames: Sequence[Groups], pixels: Sequence[np.ndarray], shared: Groups) -> Dataset:
    ds = phantom.image(np.stack(pixels).astype(np.uint16), modality="MR")
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = ENHANCED_MR
    phantom.put(ds, RescaleSlope=None, RescaleIntercept=None, SliceThickness=None)
    ds.SharedFunctionalGroupsSequence = Items([item(shared)])
    ds.PerFrameFunctionalGroupsSequence = Items([item(groups) for groups in frames])
    return ds


SHARED = {
    "PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
    "PixelMeasuresSequence": {"PixelSpacing": [11.0, 10.0], "SliceThickness": 9.0},
}


def values(position: np.ndarray, level: int) -> np.ndarray:
    return np.round((phantom.tissue(GEOMETRY.points(position)) + 1024) / (level + 1))


def scans(ds: Dataset) -> list[Scan]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "one").write_bytes(phantom.encoded(ds))
        read = Folder(Path(folder))
        assert read.reasons == {}
        return [read.scan(stack) for stack in read.stacks]


def levels_of(volumes: Sequence[Scan]) -> list[int]:
    return sorted(map(_level, volumes))


def _level(scan: Scan) -> int:
    """Return the level whose phantom the volume is everywhere."""
    assert scan.affine is not None
    index = np.stack(np.indices(scan.array.shape), axis=-1)
    points = (index @ scan.affine[:3, :3].T + scan.affine[:3, 3]) * [-1.0, -1.0, 1.0]
    stored = phantom.tissue(points) + 1024
    fits = [np.abs(scan.array - stored / (n + 1)).max() < 0.51 for n in range(8)]
    assert sum(fits) == 1
    return fits.index(True)


@given(names=st.sets(st.sampled_from(sorted(DIMENSIONS)), min_size=1, max_size=3), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_every_combination_of_dimensions_is_a_volume(names: set[str], seed: int) -> None:
    dimensions = [DIMENSIONS[name] for name in sorted(names)]
    combinations = list(itertools.product((0, 1), repeat=len(dimensions)))
    frames, pixels = [], []
    for number in np.random.default_rng(seed).permutation(len(combinations) * GEOMETRY.count):
        level, place = divmod(int(number), GEOMETRY.count)
        position = GEOMETRY.positions()[place]
        groups: dict[str, dict[str, Any]] = {
            "PlanePositionSequence": {"ImagePositionPatient": list(position)},
            "FrameContentSequence": {"StackID": "1", "InStackPositionNumber": place + 1},
        }
        content = groups["FrameContentSequence"]
        content["DimensionIndexValues"] = [1, place + 1, *(one + 1 for one in combinations[level])]
        for (sequence, keyword, choices), one in zip(dimensions, combinations[level], strict=True):
            if keyword:
                groups.setdefault(sequence, {})[keyword] = choices[one]
        frames.append(groups)
        pixels.append(values(position, level))
    volumes = scans(enhanced(frames, pixels, SHARED))
    assert levels_of(volumes) == list(range(len(combinations)))
    assert all("SPLIT" in scan.flags for scan in volumes)


def test_parallel_stacks_are_volumes_of_their_own() -> None:
    frames, pixels = [], []
    for place, position in enumerate(GEOMETRY.positions()[:4] + GEOMETRY.positions([90, 99, 108, 117])):
        frames.append(
            {
                "PlanePositionSequence": {"ImagePositionPatient": list(position)},
                "FrameContentSequence": {"StackID": "AB"[place // 4], "InStackPositionNumber": place % 4 + 1},
            }
        )
        pixels.append(values(position, 0))
    volumes = scans(enhanced(frames, pixels, SHARED))
    assert [scan.array.shape for scan in volumes] == [(14, 12, 4)] * 2
    assert levels_of(volumes) == [0, 0]
    assert not any("GAP" in flag for scan in volumes for flag in scan.flags)


def test_an_ultrasound_volume_has_sizes_but_no_known_directions() -> None:
    frames = [
        {
            "PlanePositionVolumeSequence": {"ImagePositionVolume": list(position)},
            "ImageDataTypeSequence": {"DataType": kind},
        }
        for kind in ("TISSUE_INTENSITY", "FLOW_POWER")
        for position in GEOMETRY.positions()
    ]
    pixels = [values(position, level) for level in (0, 1) for position in GEOMETRY.positions()]
    shared = {
        "PlaneOrientationVolumeSequence": {"ImageOrientationVolume": [1.0, 0, 0, 0, 1, 0]},
        "PixelMeasuresSequence": SHARED["PixelMeasuresSequence"],
    }
    ds = enhanced(frames, pixels, shared)
    ds.Modality, ds.SOPClassUID = "US", ULTRASOUND_VOLUME
    volumes = scans(ds)
    assert levels_of(volumes) == [0, 1]
    assert all("XFORM_UNKNOWN" in scan.flags for scan in volumes)
