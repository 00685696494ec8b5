"""Slices at one place that no tag names: moments of a cine, or volumes that an order tells apart."""

from __future__ import annotations

from collections.abc import Sequence

from medcl.archive.dicom.header.model import SPLIT_KEYS, TIME_KEYS
from medcl.archive.dicom.series.parallel import MIN_SLICES
from medcl.archive.dicom.series.slices import Slice, SliceSet, by_key, n_keys

CONTRAST_NUMBERS = [number for number, name in enumerate(SPLIT_KEYS) if name not in TIME_KEYS]
NOON = 120000.0
Places = Sequence[Sequence[Slice]]


def moments_of_place(slice_set: SliceSet) -> list[SliceSet]:
    """Return the slices at one place as a cine where tags order them in time, else one by one.

    Contrasts (echoes, b-values, kernels) are told apart first. A set that nothing orders keeps DUP_CONFLICT.
    """
    slices = slice_set.slices
    ordered: list[Slice] = []
    for number in [*CONTRAST_NUMBERS, *range(len(SPLIT_KEYS), n_keys(slices))]:
        if number >= len(SPLIT_KEYS) and (ordered := in_time(slices)):
            break  # what an enhanced object says beyond the keys may be the number of the moment
        parts = by_key(slices, number)
        if len(parts) > 1:
            return [final for part in slice_set.parts(parts, "SPLIT") for final in moments_of_place(part)]
    ordered = ordered or in_time(slices)
    if len(ordered) >= MIN_SLICES:
        return [SliceSet(ordered, slice_set.flags, is_cine=True)]
    numbers = {image.header.instance for image in slices}
    if len(slices) == 1 or ordered or (len(numbers) == len(slices) and None not in numbers):
        return slice_set.parts([[image] for image in slices], *(["SPLIT"] if len(slices) > 1 else []))
    return [SliceSet(slices, slice_set.flags | {"DUP_CONFLICT"})]


def in_time(slices: Sequence[Slice]) -> list[Slice]:
    """Return slices in the order of time, or nothing where their tags do not give one."""
    times = [[_number(image.key(name)) for name in TIME_KEYS] for image in slices]
    orders = [[time[number] for time in times] for number in range(len(TIME_KEYS))]
    clock = TIME_KEYS.index("acquisition_time")
    orders[clock] = _past_midnight(orders[clock])
    if all(image.header.shared.n_phases > 1 for image in slices):
        orders.append([image.header.instance for image in slices])
    for order in orders:
        if None not in order and len(set(order)) == len(slices):
            return [slices[number] for number in sorted(range(len(slices)), key=lambda n: order[n] or 0.0)]
    return []


def _past_midnight(clock: list[float | None]) -> list[float | None]:
    """Return times of day (hhmmss) that go on counting where midnight is between them."""
    stated = [time for time in clock if time is not None]
    if not stated or max(stated) - min(stated) <= NOON:
        return clock
    return [time + 2 * NOON if time is not None and time < NOON else time for time in clock]


def _number(value: float | str | None) -> float | None:
    """Return the value of a time or of an integer string as a number; None where it is none."""
    try:
        return None if value in (None, "") else float(str(value).rstrip("/").replace(":", ""))
    except ValueError:
        return None


def cines(slice_set: SliceSet, places: Places) -> list[SliceSet]:
    """Return a set as one cine for each place, or nothing where it is not made of cines alone."""
    loops = [final for part in slice_set.parts(map(list, places)) for final in moments_of_place(part)]
    return loops if all(loop.is_cine for loop in loops) else []


def few_places(places: Places) -> bool:
    """True where the moments of each place are no volumes worth the name."""
    return len(places) < MIN_SLICES


def split_by_order(slice_set: SliceSet, places: Places) -> list[SliceSet]:
    """Split by an order in which the slices of every place were taken, or return nothing.

    Such an order is a time, which may tremble from place to place, or InstanceNumber where it runs through
    all places again and again in the same way. The order of files or frames is none.
    """
    most = max(map(len, places))
    if any(len(place) != most for place in places):
        return []
    timed = [in_time(place) for place in places]
    if all(timed):
        return slice_set.parts([list(volume) for volume in zip(*timed, strict=True)], "SPLIT")
    return slice_set.parts(_sweeps(places), "SPLIT", "SPLIT_BY_NUMBER")


def _sweeps(places: Places) -> list[list[Slice]]:
    """Return the volumes that InstanceNumber runs through one after the other, or nothing."""
    place_of = {id(image): number for number, place in enumerate(places) for image in place}
    numbered = sorted((image for place in places for image in place), key=lambda image: image.sort_key[0])
    numbers = [image.header.instance for image in numbered]
    if None in numbers or len(set(numbers)) < len(numbers):
        return []
    size = len(places)
    sweeps = [numbered[start : start + size] for start in range(0, len(numbered), size)]
    routes = {tuple(place_of[id(image)] for image in sweep) for sweep in sweeps}
    return sweeps if len(routes) == 1 and len(set(routes.pop())) == size else []
