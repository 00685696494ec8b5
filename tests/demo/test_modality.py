"""Values and scanners of the demo's modality are plausible and told apart."""

from __future__ import annotations

import pytest
from pydicom.uid import UID

from medcl.archive.vocabulary import MODALITIES, manufacturer
from medcl.demo import modality


def test_organs_take_up_their_share_of_the_enhancement() -> None:
    for organ in (modality.LIVER, modality.SPLEEN, modality.KIDNEY):
        assert modality.enhanced(organ, modality.BLOOD_AT_REST) == organ[0]
        assert modality.enhanced(organ, modality.BLOOD_AT_REST + 100) == pytest.approx(
            organ[0] + 100 * organ[1]
        )


def test_every_value_can_be_stored_and_tissue_is_ordered() -> None:
    low, high = modality.VALUE_RANGE
    assert (
        low
        <= modality.AIR
        < modality.LUNG[0]
        < modality.FAT_UNDER_SKIN
        < modality.MUSCLE
        < modality.RIB
        < high
    )


def test_scanners_are_of_known_makers_at_different_sites() -> None:
    assert modality.MODALITY in MODALITIES
    assert len({scanner.site for scanner in modality.SCANNERS}) == len(modality.SCANNERS)
    assert all(manufacturer(scanner.manufacturer) for scanner in modality.SCANNERS)
    for scanner in modality.SCANNERS:
        attributes = modality.acquisition(scanner)
        assert UID(attributes["SOPClassUID"]).is_valid
        assert attributes["ConvolutionKernel"] == scanner.kernel
