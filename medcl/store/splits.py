"""Training, validation and test split: by patient, without copies of a scan in two of them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from medcl.store.people import assign_people

TEST, VALIDATION = 0.25, 0.15
"""Shares of the patients; the rest is for training."""


def assign_splits(scans: pd.DataFrame, seed: int) -> pd.Series:
    """Return `train`, `val`, `test` or `excluded` for every row of `scans`.

    Splits of the source (`source_split`) are kept. Otherwise patients are split by folds stratified by label
    and site; those whom `assign_people` takes for one person stay together. Copies that `mark_duplicates`
    marks are excluded.

    Args:
        scans: Rows in fingerprint order with columns `label`, `site`, `source_split`, `duplicate` and those
            of `assign_people`.
        seed: Random seed of the shuffle.
    """
    split = pd.Series("excluded", index=scans.index, dtype=object)
    unique = scans[scans["duplicate"] == ""]
    has_split = unique["source_split"].notna()
    split[unique.index[has_split]] = unique.loc[has_split, "source_split"]
    rest = unique[~has_split]
    if len(rest):
        # Numbered by first appearance in the order of fingerprints, so pseudonyms change no split.
        split[rest.index] = _split_by_person(rest, pd.factorize(assign_people(scans)[rest.index])[0], seed)
    return split


def _split_by_person(scans: pd.DataFrame, people: np.ndarray, seed: int) -> np.ndarray:
    """Form stratified folds of people and give whole folds to test and validation.

    There are as many folds as the rarest class has people, at most 20, so that each fold has each class.
    """
    label = scans["label"].astype(object).fillna("").astype(str)
    if people.max() + 1 < 3:
        return np.full(len(scans), "train", object)
    rarest = pd.Series(people).groupby(label.where(label != "").to_numpy()).nunique().min()
    folds = int(max(3, np.nanmin([20, people.max() + 1, rarest])))
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    test, validation = max(1, round(TEST * folds)), max(1, round(VALIDATION * folds))
    names = ["test"] * test + ["val"] * validation + ["train"] * (folds - test - validation)
    split = np.empty(len(scans), object)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a stratum with fewer people than folds is split, too
        folds_of_rows = splitter.split(np.zeros(len(scans)), _strata(scans, label, folds), people)
        for name, (_, members) in zip(names, folds_of_rows, strict=True):
            split[members] = name
    return split


def _strata(scans: pd.DataFrame, label: pd.Series, folds: int) -> np.ndarray:
    """Return a stratum number per row: label by site if all strata are large enough, else label, else one."""
    for strata in (label + "|" + scans["site"].fillna("").astype(str), label):
        codes: np.ndarray = pd.factorize(strata)[0]
        if np.bincount(codes).min() >= folds:
            return codes
    return codes if np.bincount(codes).max() >= folds else np.zeros(len(codes), int)


def mark_duplicates(scans: pd.DataFrame) -> pd.Series:
    """Return for every row `""` (kept), the scan of which it is an exact copy, or `conflict`.

    Of copies in several splits of the source the one in the test set is kept, then validation, so that no
    test image is ever trained on. Copies inside a test or validation set that the source defines stay: they
    leak nothing, and published results are on that set. Copies with conflicting labels are all excluded,
    because the true label is unknown.
    """
    duplicate = pd.Series("", index=scans.index, dtype=object)
    rank = scans["source_split"].map({"test": 0, "val": 1, "train": 2}).fillna(3)
    copies = scans[scans["fingerprint"].duplicated(keep=False)]
    for _, group in copies.groupby("fingerprint"):
        if len(set(group["label"].dropna())) > 1:
            duplicate[group.index] = "conflict"
            continue
        # Of copies in equal splits, one with a label stays, and of those one with a mask.
        ranks = rank[group.index] + 0.5 * group["label"].isna()
        first = (ranks + 0.25 * (group["mask_from"] == "")).sort_values(kind="stable").index[0]
        unique = ranks.index[(ranks == ranks[first]) & (ranks < 2)].union([first])
        duplicate[group.index.difference(unique)] = group.loc[first, "scan"]
    return duplicate
