"""Keyed random numbers: known bits, even draws, and nothing but the key counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcl.views.sampling.keyed_random import BANK, combine, mix, noise_bank, scan_keys, uniform


def test_the_mixer_is_splitmix64() -> None:
    """The first outputs of the published generator for the seed 0."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    states = np.arange(1, 4, dtype=np.uint64) * golden
    assert [hex(bits) for bits in mix(states).tolist()] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


@given(st.integers(0, 2**40), st.integers(0, 10**6), st.integers(0, 2**64 - 1))
def test_a_scan_s_key_does_not_depend_on_its_company(seed: int, epoch: int, fingerprint: int) -> None:
    alone = scan_keys(seed, epoch, np.array([fingerprint], np.uint64))
    company = scan_keys(seed, epoch, np.array([3, fingerprint, 5], np.uint64))
    assert alone[0] == company[1]
    assert scan_keys(seed, epoch + 1, np.array([fingerprint], np.uint64)) != alone
    assert scan_keys(seed + 1, epoch, np.array([fingerprint], np.uint64)) != alone


def test_words_are_hashed_in_order_and_broadcast() -> None:
    key = np.zeros(1, np.uint64)
    assert combine(key, 1, 2) != combine(key, 2, 1)
    assert combine(key) == key
    both = combine(scan_keys(0, 0, np.arange(3))[:, None], np.arange(2))
    assert both.shape == (3, 2)
    assert len(np.unique(both)) == 6
    assert combine(key, -1) == combine(key, 2**64 - 1)


def test_draws_are_even_and_independent_by_counter() -> None:
    keys = scan_keys(0, 0, np.arange(40_000))
    one, two = uniform(keys, 1), uniform(keys, 2)
    for draws in (one, two):
        assert ((draws >= 0) & (draws < 1)).all()
        counts = np.histogram(draws, 20, (0, 1))[0]
        assert ((counts - 2000) ** 2 / 2000).sum() < 45, "chi-squared of 19 degrees at 0.1 %"
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02


@pytest.mark.parametrize("width", [0, 32])
def test_noise_is_standard_and_of_a_grain_where_wanted(width: int) -> None:
    bank = noise_bank(1, 2, 64, width)
    assert bank.shape == (BANK + 64,)
    assert abs(bank.mean()) < 0.01
    assert bank.std() == pytest.approx(1, abs=0.01)
    for step in (1, 32):
        correlation = np.corrcoef(bank[:-step], bank[step:])[0, 1]
        assert correlation == pytest.approx(2 / 3 if width else 0, abs=0.01)
    assert not bank.flags.writeable
    assert not np.array_equal(bank, noise_bank(1, 3, 64, width))
