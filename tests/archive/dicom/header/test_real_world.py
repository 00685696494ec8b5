"""Real world values where an enhanced object states no rescale."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medcl.archive import dicom
from medcl.archive.dicom.header.real_world import real_world_value
from medcl.archive.flags import Rejected
from medcl.testing.phantom import encoded, put
from medcl.testing.traps.geometry import multiframe


def mapping(slope: float | None, intercept: float | None, unit: str = "[hnsf'U]") -> Dataset:
    code = put(Dataset(), CodeValue=unit, CodingSchemeDesignator="UCUM", CodeMeaning="unit")
    return put(Dataset(), RealWorldValueSlope=slope, RealWorldValueIntercept=intercept,
               MeasurementUnitsCodeSequence=Sequence([code]))  # fmt: skip


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([mapping(2.0, -1024.0)], (2.0, -1024.0, "HU")),
        ([mapping(0.5, 0.0, "Bq/ml")], (0.5, 0.0, "BQML")),
        ([mapping(1e-6, 0.0, "mm2/s")], (1e-6, 0.0, "mm2/s")),
        ([mapping(None, None)], None),
        ([mapping(1.0, 0.0), mapping(2.0, 0.0)], None),
        ([], None),
        (None, None),
    ],
)
def test_the_only_linear_mapping_counts(
    items: list[Dataset] | None, expected: tuple[float, float, str] | None
) -> None:
    assert real_world_value(items) == expected


def _read(ds: Dataset) -> dicom.Stack:
    content = encoded(ds)
    header = dicom.read_header(io.BytesIO(content), len(content))
    assert header is not None
    (stack,), _ = dicom.group([(0, header)])
    return stack


def test_an_enhanced_ct_by_real_world_values_is_in_hu() -> None:
    ds = multiframe(np.arange(24))
    common = ds.SharedFunctionalGroupsSequence[0]
    del common.PixelValueTransformationSequence
    assert _read(ds).unit == "a.u."
    common.RealWorldValueMappingSequence = Sequence([mapping(1.0, -1024.0)])
    stack = _read(ds)
    assert stack.unit == "HU"
    content = encoded(ds)
    scan = dicom.assemble([lambda: io.BytesIO(content)])
    assert scan.unit == "HU"
    assert scan.array.min() < -850
    assert scan.array.max() < 400


def test_a_rescale_comes_before_real_world_values() -> None:
    ds = multiframe(np.arange(24))
    ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = Sequence([mapping(7.0, 5.0, "1")])
    assert _read(ds).unit == "HU"


def test_a_mapping_that_is_no_number_is_a_bad_header() -> None:
    ds = multiframe(np.arange(24))
    del ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = Sequence(
        [mapping(float("nan"), 0.0)]
    )
    with pytest.raises(Rejected, match="BAD_HEADER"):
        _read(ds)
