"""What a store leaves out, and why: every scan of a catalog is used or has a reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from medcl.archive import Catalog
from medcl.archive.flags import explain, split_flags
from medcl.errors import UsageError
from medcl.store.image_types import ImageTypes, excluding_flag
from medcl.store.labels import Labels

REASONS = {
    "CINE": "a cine loop; its frames are moments, not places, and a store holds volumes and images",
    "MASK": "the mask of another scan, stored with it",
    "MASK_NOT_CHOSEN": "one of several masks of a scan; a column 'mask' of the label table chooses one",
    "EXACT_COPY": "the same pixels as a scan that is used",
    "CONFLICTING_LABELS": "the same pixels as another scan, which has a contradictory label",
    "OTHER_MODALITY": "of another modality than the model's training data; --modality states one where a "
    "file records none",
    "OTHER_UNIT": "in another unit than the model's training data",
    "NOT_A_VOLUME": "an image, and the model was trained on volumes",
}
"""Reasons that are neither a flag nor a fault of reading, each with its explanation."""


def reasons_before_reading(catalog: Catalog, labels: Labels, rules: ImageTypes) -> pd.Series:
    """Return, by scan of the catalog, the reason for which it is left out unread, or an empty text."""
    masks = dict.fromkeys(catalog.masks["mask"], "MASK_NOT_CHOSEN") | dict.fromkeys(
        labels.mask.values(), "MASK"
    )
    masks |= _of_united_masks(catalog, masks)
    reasons: dict[str, str] = {}
    columns = (catalog.scans[name].fillna("") for name in ("scan", "kind", "modality", "flags"))
    for scan, kind, recorded, flags in zip(*columns, strict=True):
        modality = labels.modality.get(scan, recorded) if recorded == "unknown" else recorded
        cine = "CINE" if kind == "cine" else ""
        flag = excluding_flag(flags, modality, rules) or ""
        if flag == "LABEL_MAP":
            flag = masks.get(scan) or ("MASK_ORPHAN" if "MASK_ORPHAN" in split_flags(flags) else flag)
        reasons[scan] = "MASK" if masks.get(scan) == "MASK" else cine or flag
    return pd.Series(reasons, dtype=object)


def _of_united_masks(catalog: Catalog, reasons: Mapping[str, str]) -> dict[str, str]:
    """Return the reasons of the label maps in files of which several are one mask, by scan."""
    united = set(reasons) - set(catalog.scans["scan"])
    if not united:
        return {}
    locations = catalog.locations()[["scan", "file"]]
    is_mask = locations["scan"].isin(united)
    mask_of_file = dict(zip(locations["file"][is_mask], locations["scan"][is_mask], strict=True))
    others = locations[~is_mask & locations["file"].isin(set(mask_of_file))]
    return {
        scan: reasons[mask_of_file[file]] for scan, file in zip(others["scan"], others["file"], strict=True)
    }


def mask_warnings(catalog: Catalog, labels: Labels, used: Collection[str]) -> list[str]:
    """Return a warning about used scans that have several masks, of which none is used."""
    several = catalog.masks.loc[catalog.masks["scan"].duplicated(keep=False), "scan"]
    undecided = set(several) & set(used) - set(labels.mask) - set(labels.box)
    if not undecided:
        return []
    masks = int(several.isin(undecided).sum())
    return [
        f"{len(undecided)} scans have several masks ({masks} in all), of which none was chosen, so they are "
        "stored without one; name the one to use, or a mask that unites them, in a column 'mask' of the "
        "label table"
    ]


def count_reasons(reasons: Iterable[str]) -> dict[str, int]:
    """Return the number of each reason, most frequent first."""
    counts = pd.Series([str(reason) for reason in reasons if reason], dtype=object).value_counts()
    return {reason: int(counts[reason]) for reason in sorted(counts.index, key=lambda r: (-counts[r], r))}


def left_out_lines(left_out: Mapping[str, int], what: str = "scans left out") -> list[str]:
    """Return lines for a person: the number left out, and for each reason its number and explanation."""
    if not left_out:
        return []
    lines = [f"{sum(left_out.values())} {what}, by reason:"]
    return lines + [f"  {count:>7} {code}: {reason_text(code)}" for code, count in left_out.items()]


def reason_text(code: str) -> str:
    """Return the explanation of a reason, a flag or a fault."""
    return REASONS[code] if code in REASONS else explain(code)


def nothing_to_prepare(catalog: Catalog, reasons: pd.Series) -> UsageError:
    """Return the error for a catalog of which no scan is left, with the reasons and what to do."""
    if reasons.empty:
        unused = catalog.summary()["reasons"]
        text = "; ".join(f"{count} {code} ({explain(code)})" for code, count in unused.items())
        return UsageError(f"no scan to prepare: none was found; files not used: {text or 'none'}")
    counts = count_reasons(reasons)
    text = "; ".join(f"{count} {code} ({reason_text(code)})" for code, count in counts.items())
    unused_rules = sorted(
        {"LABEL_MAP" if code == "MASK_ORPHAN" else code for code in set(counts) - set(REASONS)}
    )
    advice = (
        f"; to use them, copy the shipped image_types.yaml without {', '.join(unused_rules)} and give it to "
        "'medcl prepare --image-types'"
        if unused_rules
        else ""
    )
    return UsageError(f"no scan to prepare: all {len(reasons)} scans are left out: {text}{advice}")
