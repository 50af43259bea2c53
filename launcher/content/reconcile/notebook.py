"""Three versions of a notebook into one, cell by cell. No I/O here.

The student's cells, outputs and file format stay; what the teacher added, changed, moved or
deleted is applied to cells that the student did not touch. Where both changed a cell, the
student's stays and the teacher's follows, under a line that says so.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
import re
from typing import Any, Dict, List, NamedTuple, Optional

from .cells import align, content, is_from_teacher

Notebook = Dict[str, Any]
Cell = Dict[str, Any]


class Merged(NamedTuple):
    """The notebook that both sides' changes give."""

    data: bytes
    clash: bool
    """True where a cell of the student's is followed by the teacher's version of it."""


def merge_notebooks(base: bytes, mine: bytes, theirs: bytes, date: str) -> Optional[Merged]:
    """The merged file; None where one of the three is no notebook of format 4."""
    read = [parse(data) for data in (base, mine, theirs)]
    if None in read:
        return None
    b, s, n = (found for found in read if found is not None)
    if s == n:
        return Merged(mine, clash=False)
    if s == b:
        return Merged(theirs, clash=False)
    merge = CellMerge(b["cells"], s["cells"], n["cells"], date)
    made = {**s, "cells": merge.run()}
    made["metadata"] = three_way_keys(b["metadata"], s["metadata"], n["metadata"])
    made["nbformat_minor"] = max(s["nbformat_minor"], n["nbformat_minor"])
    give_ids(made)
    return Merged(mine if made == s else dump(made, mine), clash=merge.clash)


def parse(data: bytes) -> Optional[Notebook]:
    """The notebook, or None for anything that is not one of format 4."""
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("nbformat") != 4:
        return None
    if not isinstance(found.get("nbformat_minor"), int) or isinstance(
        found["nbformat_minor"], bool
    ):
        return None
    if not isinstance(found.get("metadata"), dict) or not isinstance(found.get("cells"), list):
        return None
    for cell in found["cells"]:
        if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
            return None
        if not isinstance(cell.get("source", ""), (str, list)):
            return None
        if not isinstance(cell.get("metadata"), dict):
            return None
    return found


class CellMerge:
    """The lists of cells; `clash` says afterwards whether both changed one of them."""

    def __init__(self, base: List[Cell], mine: List[Cell], theirs: List[Cell], date: str) -> None:
        self.base, self.mine, self.theirs, self.date = base, mine, theirs, date
        own = [index for index, cell in enumerate(mine) if not is_from_teacher(cell)]
        shown = [mine[index] for index in own]
        self.base_to_mine = {b: own[s] for b, s in align(base, shown).items()}
        self.base_to_theirs = align(base, theirs)
        self.mine_to_base = {s: b for b, s in self.base_to_mine.items()}
        self.theirs_to_base = {n: b for b, n in self.base_to_theirs.items()}
        self.seen = {
            cell["metadata"]["launcher"].get("teacher") for cell in mine if is_from_teacher(cell)
        }
        self.pair_additions(own)
        self.clash = False

    def pair_additions(self, own: List[int]) -> None:
        """A cell that both sides added alike is one cell: a pull that was killed runs again."""
        new_mine = [index for index in own if index not in self.mine_to_base]
        new_theirs = [i for i in range(len(self.theirs)) if i not in self.theirs_to_base]
        keys_mine = [content(self.mine[index]) for index in new_mine]
        keys_theirs = [content(self.theirs[index]) for index in new_theirs]
        matcher = difflib.SequenceMatcher(None, keys_theirs, keys_mine, autojunk=False)
        self.added_both: Dict[int, int] = {}
        for block in matcher.get_matching_blocks():
            for step in range(block.size):
                self.added_both[new_theirs[block.a + step]] = new_mine[block.b + step]

    def run(self) -> List[Cell]:
        """The merged cells, in the teacher's order unless the student reordered theirs."""
        order = [self.base_to_mine[b] for b in sorted(self.base_to_mine)]
        return self.in_my_order() if order != sorted(order) else self.in_their_order()

    def in_their_order(self) -> List[Cell]:
        """Walk the teacher's cells; the student's own ones follow the cell they followed."""
        placed: Dict[Optional[int], List[Cell]] = {}
        order: List[Optional[int]] = [None]
        partner = {**{n: self.base_to_mine.get(b) for n, b in self.theirs_to_base.items()}}
        partner.update(self.added_both)
        used = {mine for mine in partner.values() if mine is not None}
        for index, cell in enumerate(self.theirs):
            mine = partner.get(index)
            key: Optional[int] = mine if mine is not None else -1 - index
            order.append(key)
            placed[key] = self.joined(self.theirs_to_base.get(index), mine, cell)
        anchor: Optional[int] = None
        for index, cell in enumerate(self.mine):
            if index in used:
                anchor = index
            elif self.stays(index):
                placed.setdefault(anchor, []).append(copy.deepcopy(cell))
        return [cell for key in order for cell in placed.get(key, [])]

    def in_my_order(self) -> List[Cell]:
        """Walk the student's cells; the teacher's new ones follow the cell they followed."""
        anchors: Dict[Optional[int], List[Cell]] = {}
        back = {mine: theirs for theirs, mine in self.added_both.items()}
        anchor: Optional[int] = None
        for index, cell in enumerate(self.theirs):
            base = self.theirs_to_base.get(index)
            mine = self.added_both.get(index)
            if base is not None:
                mine = self.base_to_mine.get(base)
            if mine is not None:
                anchor = mine
            else:
                anchors.setdefault(anchor, []).extend(self.joined(base, None, cell))
        made = anchors.get(None, [])
        for index, cell in enumerate(self.mine):
            base = self.mine_to_base.get(index)
            theirs = back.get(index) if base is None else self.base_to_theirs.get(base)
            if theirs is not None:
                made += self.joined(base, index, self.theirs[theirs])
            elif self.stays(index):
                made.append(copy.deepcopy(cell))
            made += anchors.get(index, [])
        return made

    def stays(self, index: int) -> bool:
        """False for a cell that the teacher deleted and the student never touched."""
        base = self.mine_to_base.get(index)
        if base is None or base in self.base_to_theirs:
            return True
        was, mine = self.base[base], self.mine[index]
        return content(was) != content(mine) or results(was) != results(mine)

    def joined(self, base: Optional[int], mine: Optional[int], theirs: Cell) -> List[Cell]:
        """What one cell of the teacher's and its partners become."""
        if mine is None:
            if base is not None and content(self.base[base]) == content(theirs):
                return []  # the student deleted it, the teacher left it alone
            return [copy.deepcopy(theirs)]
        own = self.mine[mine]
        if base is None:
            return [copy.deepcopy(own)]
        was = self.base[base]
        ran = theirs["cell_type"] != own["cell_type"] and results(was) != results(own)
        if content(was) == content(own) and not ran:
            return [self.with_their_content(was, own, theirs)]
        kept = [self.with_my_content(was, own, theirs)]
        if content(theirs) in (content(was), content(own)):
            return kept
        self.clash = True
        return kept + self.marked(theirs)

    def with_their_content(self, was: Cell, own: Cell, theirs: Cell) -> Cell:
        """The teacher's text, with the outputs of the student's run if there was one."""
        if own["cell_type"] != theirs["cell_type"]:
            return copy.deepcopy(theirs)
        made = self.with_my_content(was, own, theirs)
        if content(own) != content(theirs):
            made["source"] = theirs.get("source", "")
        return made

    def with_my_content(self, was: Cell, own: Cell, theirs: Cell) -> Cell:
        made = copy.deepcopy(own)
        if own["cell_type"] != theirs["cell_type"]:
            return made
        made["metadata"] = three_way_keys(was["metadata"], own["metadata"], theirs["metadata"])
        if last_run(was) == last_run(own) and content(was) == content(own):
            for name in ("outputs", "execution_count"):  # never spliced from two runs
                if name in theirs:
                    made[name] = copy.deepcopy(theirs[name])
        if was.get("attachments") == own.get("attachments") and "attachments" in theirs:
            made["attachments"] = copy.deepcopy(theirs["attachments"])
        return made

    def marked(self, theirs: Cell) -> List[Cell]:
        """The teacher's version of the cell before it, under a line that says so."""
        mark = hashlib.sha1(repr(content(theirs)).encode("utf-8", "replace")).hexdigest()[:12]  # noqa: S324
        if mark in self.seen:
            return []
        self.seen.add(mark)
        about = {"launcher": {"teacher": mark}, "tags": ["teacher-version"]}
        line = "**Your teacher's version of the cell above** (%s)" % self.date
        made = copy.deepcopy(theirs)
        made.pop("id", None)
        made["metadata"] = {**made["metadata"], **copy.deepcopy(about)}
        return [{"cell_type": "markdown", "metadata": about, "source": line}, made]


def results(cell: Cell) -> Any:
    """What a run left in the cell."""
    return cell.get("outputs") or []


def last_run(cell: Cell) -> Any:
    """What a run left and its number: a run that printed nothing is a run, too."""
    return results(cell), cell.get("execution_count")


def three_way_keys(base: Cell, mine: Cell, theirs: Cell) -> Cell:
    """Key by key: what the teacher changed, except where the student changed it, too."""
    made = copy.deepcopy(mine)
    for key in [*theirs, *base]:
        if mine.get(key) == base.get(key) and theirs.get(key) != base.get(key):
            if key in theirs:
                made[key] = copy.deepcopy(theirs[key])
            else:
                made.pop(key, None)
    return made


def give_ids(notebook: Notebook) -> None:
    """From format 4.5 on every cell has an id, and no two the same; before, none has."""
    taken = set()
    for index, cell in enumerate(notebook["cells"]):
        if notebook["nbformat_minor"] < 5:
            cell.pop("id", None)
            continue
        name = cell.get("id")
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            name = None
        number = 0
        while name is None or name in taken:
            seed = "%d %d %r" % (index, number, content(cell))
            name = hashlib.sha1(seed.encode("utf-8", "replace")).hexdigest()[:8]  # noqa: S324
            number += 1
        taken.add(name)
        cell["id"] = name


def dump(notebook: Notebook, like: bytes) -> bytes:
    """The notebook written as the student's file is: indentation, escapes, line ends, last line."""
    text = like.decode("utf-8-sig")
    found = re.match(r"\s*\{\r?\n([ \t]*)\S", text)
    indent: Any = found[1] if found else None
    compact = indent is None and '": ' not in text
    made = json.dumps(
        notebook,
        indent=indent,
        ensure_ascii=text.isascii() and "\\u" in text,
        separators=(",", ":") if compact else None,
    )
    if text.endswith("\n"):
        made += "\n"
    if "\r\n" in text:
        made = made.replace("\n", "\r\n")
    start = b"\xef\xbb\xbf" if like.startswith(b"\xef\xbb\xbf") else b""
    return start + made.encode("utf-8", "surrogatepass")
