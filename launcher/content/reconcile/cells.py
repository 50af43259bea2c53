"""Which cell of one notebook is which cell of another. No I/O here."""

from __future__ import annotations

import difflib
from typing import Any, Dict, List, Tuple

Cell = Dict[str, Any]
ALIKE = 0.5
"""Two cells in the same place are one cell when at least this part of their text agrees."""
LONG = 20_000
"""Longer texts are compared by their beginning."""


def content(cell: Cell) -> Tuple[str, str]:
    """What a person wrote: the kind of cell and its text."""
    source = cell.get("source", "")
    return cell["cell_type"], source if isinstance(source, str) else "".join(map(str, source))


def is_from_teacher(cell: Cell) -> bool:
    """True for a cell that an earlier pull put after one that both sides had changed."""
    mark = cell["metadata"].get("launcher")
    return isinstance(mark, dict) and "teacher" in mark


def align(base: List[Cell], other: List[Cell]) -> Dict[int, int]:
    """For each cell of `base` its place in `other`, as far as it is there."""
    found: Dict[int, int] = {}
    by_id(base, other, found)
    by_text_in_order(base, other, found)
    by_text_anywhere(base, other, found)
    by_place(base, other, found)
    return found


def left(size: int, taken: List[int]) -> List[int]:
    known = set(taken)
    return [index for index in range(size) if index not in known]


def by_id(base: List[Cell], other: List[Cell], found: Dict[int, int]) -> None:
    places: Dict[str, List[int]] = {}
    for index, cell in enumerate(other):
        if isinstance(cell.get("id"), str):
            places.setdefault(cell["id"], []).append(index)
    names = [cell.get("id") for cell in base]
    for index, name in enumerate(names):
        if isinstance(name, str) and len(places.get(name, [])) == 1 and names.count(name) == 1:
            found[index] = places[name][0]


def by_text_in_order(base: List[Cell], other: List[Cell], found: Dict[int, int]) -> None:
    a, b = left(len(base), list(found)), left(len(other), list(found.values()))
    matcher = difflib.SequenceMatcher(
        None, [content(base[i]) for i in a], [content(other[i]) for i in b], autojunk=False
    )
    for block in matcher.get_matching_blocks():
        for step in range(block.size):
            found[a[block.a + step]] = b[block.b + step]


def by_text_anywhere(base: List[Cell], other: List[Cell], found: Dict[int, int]) -> None:
    """Cells that were moved; empty ones are too alike to tell."""
    places: Dict[Tuple[str, str], List[int]] = {}
    for index in left(len(other), list(found.values())):
        places.setdefault(content(other[index]), []).append(index)
    for index in left(len(base), list(found)):
        key = content(base[index])
        if key[1].strip() and len(places.get(key, [])) == 1:
            found[index] = places.pop(key)[0]


def by_place(base: List[Cell], other: List[Cell], found: Dict[int, int]) -> None:
    """Cells between the same neighbours whose text is alike."""
    free = set(left(len(other), list(found.values())))
    for index in left(len(base), list(found)):
        start = 1 + max((found[i] for i in found if i < index), default=-1)
        end = min((found[i] for i in found if i > index and found[i] >= start), default=len(other))
        near = [place for place in range(start, end) if place in free]
        scored = [(likeness(base[index], other[place]), -place) for place in near]
        best, place = max(scored, default=(0.0, 0))
        only = len(near) == 1 and end - start == 1 and is_only_gap(base, found, index)
        if best >= ALIKE or (only and best > 0):
            found[index] = -place
            free.discard(-place)


def is_only_gap(base: List[Cell], found: Dict[int, int], index: int) -> bool:
    """True when both neighbours of the cell are matched, so that it can be nothing else."""
    before = index == 0 or index - 1 in found
    after = index == len(base) - 1 or index + 1 in found
    return before and after


def likeness(one: Cell, other: Cell) -> float:
    """0 to 1; cells of two kinds are never alike."""
    kind, text = content(one)
    other_kind, other_text = content(other)
    if kind != other_kind:
        return 0.0
    matcher = difflib.SequenceMatcher(None, text[:LONG], other_text[:LONG], autojunk=False)
    if matcher.real_quick_ratio() < ALIKE / 2:
        return 0.01
    return max(
        0.01, matcher.ratio() if len(text) + len(other_text) < 8000 else matcher.quick_ratio()
    )
