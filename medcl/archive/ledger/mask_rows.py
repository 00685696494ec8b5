"""Rows of masks: label maps and label objects, each with the scans that it may belong to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.ledger.datasets import flagged
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.ledger.tables import Tables
from medcl.archive.mask_grid import FileGrid
from medcl.archive.masks import StatedImages, pair
from medcl.archive.patients import stem
from medcl.archive.privacy import pseudonym

AddFile = Callable[[FileOutcome], object]


def is_mask(outcome: FileOutcome) -> bool:
    """Return whether a file is a label map or an object that holds labels."""
    return outcome.labels is not None or "LABEL_MAP" in outcome.flags


def grids(outcome: FileOutcome, scans: Iterable[ScanInfo]) -> list[FileGrid]:
    """Return the grids with which masks are paired: of an image, or of each frame of a volume.

    The images of an npz have no names, and therefore no masks.
    """
    named = [info for info in scans if info.kind == "volume" or not info.part]
    return [
        FileGrid(
            pseudonym("scan", f"{outcome.key}|{info.part}"), outcome.place, info.shape, info.affine or ()
        )
        for info in named
    ]


def add_masks(
    masks: Sequence[FileOutcome],
    images: Sequence[FileGrid],
    images_of_label: StatedImages,
    tables: Tables,
    add_file: AddFile,
) -> None:
    """Add all masks of an archive.

    Args:
        masks: Label maps and label objects.
        images: What label maps may belong to.
        images_of_label: Cases of the images that descriptions of data sets state for label maps.
        tables: Tables that the rows are added to.
        add_file: Adds the scans of a label map, and its file.
    """
    maps = [outcome for outcome in masks if outcome.labels is None]
    _add_label_maps(maps, images, images_of_label, tables, add_file)
    _add_objects([outcome for outcome in masks if outcome.labels is not None], tables)


def _add_label_maps(
    maps: Sequence[FileOutcome],
    images: Sequence[FileGrid],
    images_of_label: StatedImages,
    tables: Tables,
    add_file: AddFile,
) -> None:
    """Add label maps: one without its scan is flagged; those of an image that a counter numbers are one."""
    outcomes = {grid.scan: outcome for outcome in maps if (grid := _only_grid(outcome)) is not None}
    grids_of_maps = [grid for outcome in maps if (grid := _only_grid(outcome)) is not None]
    pairs, refused = pair(grids_of_maps, images, images_of_label)
    paired = {mask for mask, _ in pairs}
    for mask, outcome in outcomes.items():
        flag = "MASK_MISMATCH" if mask in refused else "MASK_ORPHAN"
        add_file(outcome if mask in paired else flagged(outcome, flag))
    for outcome in maps:
        if _only_grid(outcome) is None:
            add_file(flagged(outcome, "MASK_ORPHAN"))
    of_image: dict[tuple[str, str], list[str]] = {}
    for mask, scan in pairs:
        if outcomes[mask].scans[0].kind == "image":
            of_image.setdefault((scan, _without_counter(outcomes[mask].place)), []).append(mask)
        else:
            tables.add_mask(mask, [scan], outcomes[mask].scans[0].source)
    for (scan, name), of_scan in of_image.items():
        if len(of_scan) == 1:
            tables.add_mask(of_scan[0], [scan], "image")
        else:
            united = [outcomes[mask] for mask in of_scan]
            tables.add_mask(pseudonym("mask", f"{scan}|{name}"), [scan], "image", united)


def _without_counter(place: str) -> str:
    """Return the place of a mask without the number that counts masks of one kind (`x_mask_1`)."""
    return re.sub(r"(?i)(?<=mask|.seg|abel)[-_ ]?\d+$", "", f"{place.rpartition('/')[0]}/{stem(place)}")


def _only_grid(outcome: FileOutcome) -> FileGrid | None:
    """Return the grid of the only scan of a label map, or None when it has several."""
    scan_grids = grids(outcome, outcome.scans)
    return scan_grids[0] if len(scan_grids) == 1 else None


def _add_objects(objects: Sequence[FileOutcome], tables: Tables) -> None:
    """Add SEG and RTSTRUCT, which reference the series that they were drawn on."""
    volumes = tables.volumes_by_series() if objects else {}
    for outcome in objects:
        labels = outcome.labels
        scans = [scan for series in labels.series for scan in volumes.get(series, [])] if labels else []
        if labels is None or not scans:
            tables.add_file(replace(outcome, state="quarantined", code="MASK_ORPHAN"), None)
            continue
        tables.add_mask(pseudonym("mask", outcome.key), scans, labels.kind, [outcome])
        tables.add_file(outcome, scans[0] if len(scans) == 1 else None)
