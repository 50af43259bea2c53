"""Notebooks merge by cells: nothing of either side is lost, and the result is always valid."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.content.reconcile.notebook import merge_notebooks

DAY = "2026-11-21"


def code(source, *, outputs=None, id=None, count=None):
    made = {
        "cell_type": "code",
        "execution_count": count,
        "metadata": {},
        "outputs": outputs or [],
        "source": source.splitlines(keepends=True),
    }
    return made | ({"id": id} if id else {})


def text(source, **more):
    return {"cell_type": "markdown", "metadata": {}, "source": source} | more


def printed(words):
    return [{"name": "stdout", "output_type": "stream", "text": [words]}]


def book(*cells, minor=4, indent=1, **metadata):
    found = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": minor}
    return (json.dumps(found, indent=indent, ensure_ascii=False) + "\n").encode()


def merge(base, mine, theirs):
    """The merged notebook's cells as (kind, source), after checking that it is valid."""
    import nbformat  # takes seconds, and every worker imports this module

    merged = merge_notebooks(base, mine, theirs, DAY)
    assert merged is not None
    found = json.loads(merged.data)
    nbformat.validate(copy.deepcopy(found))
    after = merge_notebooks(theirs, merged.data, theirs, DAY)
    assert json.loads(after.data) == found, "pulling again changes nothing"
    return found


def sources(found):
    return ["".join(cell["source"]) for cell in found["cells"]]


A, B, C = "a = 1", "b = 2", "c = 3"


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("minor", [4, 5])
def test_a_new_cell_arrives_wherever_it_is_and_runs_stay(place, minor):
    ids = ["x1", "x2", "x3"] if minor == 5 else [None] * 3
    base = [code(s, id=i) for s, i in zip((A, B, C), ids, strict=True)]
    mine = [{**cell, "outputs": printed("ran"), "execution_count": 7} for cell in base]
    theirs = [*base[:place], code("new = 0", id="n" if minor == 5 else None), *base[place:]]
    found = merge(book(*base, minor=minor), book(*mine, minor=minor), book(*theirs, minor=minor))
    wanted = [A, B, C]
    wanted.insert(place, "new = 0")
    assert sources(found) == wanted
    ran = [cell["outputs"] for cell in found["cells"] if "".join(cell["source"]) != "new = 0"]
    assert ran == [printed("ran")] * 3


def test_both_changed_a_cell_keeps_mine_and_shows_theirs():
    base = book(code(A), code("answer = None"), code(C))
    mine = book(code(A), code("answer = 41"), code(C))
    theirs = book(code(A), code("answer = 42  # solution"), code(C))
    found = merge(base, mine, theirs)
    assert sources(found)[:2] == [A, "answer = 41"]
    assert "teacher's version" in sources(found)[2]
    assert sources(found)[3:] == ["answer = 42  # solution", C]
    assert merge_notebooks(base, mine, theirs, DAY).clash


def test_changes_to_different_cells_join():
    base = book(code(A), text("read"), code(C))
    found = merge(
        base,
        book(code("a = 10"), text("read"), code(C)),
        book(code(A), text("read this"), code("c = 30")),
    )
    assert sources(found) == ["a = 10", "read this", "c = 30"]


def test_deleted_and_moved_cells_are_applied_where_untouched():
    base = book(code(A), code(B), code(C))
    assert sources(merge(base, book(code(A), code(B), code("c = 4")), book(code(C), code(A)))) == [
        "c = 4",
        A,
    ]
    kept = merge(base, book(code(A), code("b = 'mine, long'"), code(C)), book(code(A), code(C)))
    assert sources(kept) == [A, "b = 'mine, long'", C]


def test_a_cell_that_ran_is_not_deleted_with_its_output():
    base = book(code(A), code(B))
    found = merge(base, book(code(A), code(B, outputs=printed("2"))), book(code(A)))
    assert sources(found) == [A, B]


def test_my_own_cells_and_my_order_stay():
    base = book(code(A), code(B), code(C))
    mine = book(code(C), text("note"), code(A), code(B))
    found = merge(base, mine, book(code(A), code(B), code("after b"), code(C)))
    assert sources(found) == [C, "note", A, B, "after b"]


def test_outputs_are_never_of_two_runs():
    base = book(code(A, outputs=printed("old"), count=1))
    mine = book(code(A, outputs=printed("mine"), count=2))
    theirs = book(code(A, outputs=printed("theirs"), count=3))
    found = merge(base, mine, theirs)
    assert found["cells"][0]["outputs"] == printed("mine")
    assert found["cells"][0]["execution_count"] == 2
    found = merge(base, book(code(A, outputs=printed("old"), count=1), code(B)), theirs)
    assert found["cells"][0]["outputs"] == printed("theirs")
    assert found["cells"][0]["execution_count"] == 3


def test_a_run_that_printed_nothing_keeps_its_number():
    base = book(code(A, count=1), code(B, count=2))
    mine = book(code(A, count=7), code(B, count=2))
    theirs = book(code(A, count=3), code(B, count=4))
    found = merge(base, mine, theirs)
    assert [cell["execution_count"] for cell in found["cells"]] == [7, 4]


def test_a_cell_that_ran_stays_where_the_teacher_made_it_text():
    base = book(code(A, id="x1"), code(B, id="x2"), minor=5)
    mine = book(code(A, id="x1", outputs=printed("ran")), code(B, id="x2"), minor=5)
    found = merge(base, mine, book(text(A, id="x1"), text(B, id="x2"), minor=5))
    assert found["cells"][0]["outputs"] == printed("ran")
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in found["cells"][2:]] == [
        ("markdown", A),
        ("markdown", B),
    ]


@pytest.mark.parametrize("mine_indent", [1, 2, 4, 0, None])
def test_the_students_indentation_stays(mine_indent):
    base = book(code(A), code(B))
    mine = book(code(A, outputs=printed("ran")), code(B), indent=mine_indent)
    theirs = book(code(A), text("new"), code(B), indent=2)
    merged = merge_notebooks(base, mine, theirs, DAY).data
    found = json.loads(merged)
    assert merged == (json.dumps(found, indent=mine_indent) + "\n").encode()
    assert sources(found) == [A, "new", B]


def test_windows_line_ends_and_letters_stay():
    base = book(code(A), text("grüße"))
    mine = book(code(A, outputs=printed("ü")), text("grüße")).replace(b"\n", b"\r\n")
    merged = merge_notebooks(base, mine, book(code(A), text("grüße, ñ")), DAY).data
    assert merged.count(b"\n") == merged.count(b"\r\n")
    assert "grüße, ñ" in merged.decode()


def test_ids_appear_for_all_cells_or_none():
    base = book(code(A), code(B))
    mine = book(code(A, id="s1"), code(B, id="s2"), minor=5)
    found = merge(base, mine, book(code(A), code("new"), code(B)))
    assert [bool(cell.get("id")) for cell in found["cells"]] == [True] * 3


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"nbformat": 3}', b"<<<<<<<", b"\xff"])
def test_what_is_no_notebook_is_left_to_others(broken):
    good = book(code(A))
    assert merge_notebooks(good, broken, book(code(B)), DAY) is None
    assert merge_notebooks(good, book(code(B)), broken, DAY) is None


LINES = st.sampled_from(["", "x", "x = 1\n", "y = 2\nz = 3", "# note", "print(x)\nprint(y)"])
CELLS = st.lists(st.tuples(st.sampled_from(["code", "markdown"]), LINES), max_size=6)


def of_other_kind(cell):
    name = cell.get("id")
    if cell["cell_type"] == "code":
        return text(cell["source"], **({"id": name} if name else {}))
    return code("".join(cell["source"]), id=name)


@st.composite
def histories(draw):
    """A base notebook and what two people made of it."""
    minor = draw(st.sampled_from([0, 4, 5]))
    drawn = draw(CELLS)
    base = []
    for number, (kind, source) in enumerate(drawn):
        name = f"c{number}" if minor == 5 else None
        base.append(
            code(source, id=name)
            if kind == "code"
            else text(source, **({"id": name} if name else {}))
        )

    def edited(who):
        cells = copy.deepcopy(base)
        for number in range(draw(st.integers(0, 4))):
            act = draw(st.sampled_from(["edit", "add", "delete", "move", "run", "twice", "kind"]))
            place = draw(st.integers(0, max(0, len(cells) - 1)))
            if act == "add" or not cells:
                new = code(f"{who} {number} = {draw(LINES)}")
                cells.insert(place, new | ({"id": f"{who}{number}"} if minor == 5 else {}))
            elif act == "edit":
                cells[place]["source"] = f"{who} wrote {number} {draw(LINES)}"
            elif act == "delete":
                cells.pop(place)
            elif act == "move":
                cells.insert(draw(st.integers(0, len(cells) - 1)), cells.pop(place))
            elif act == "twice":
                again = copy.deepcopy(cells[place])
                cells.insert(place, again | ({"id": f"{who}{number}"} if minor == 5 else {}))
            elif act == "kind":
                cells[place] = of_other_kind(cells[place])
            elif cells[place]["cell_type"] == "code":
                ran = printed(f"{who} ran {number}") if draw(st.booleans()) else []
                run = 10 * number + (1 if who == "student" else 2)
                cells[place] |= {"outputs": ran, "execution_count": run}
        return cells

    return base, edited("student"), edited("teacher"), minor


@given(histories())
@settings(max_examples=300, deadline=None)
def test_whatever_both_did_nothing_is_lost(history):
    base, mine, theirs, minor = history
    found = merge(
        book(*base, minor=minor), book(*mine, minor=minor), book(*theirs, minor=minor, indent=2)
    )
    made = sources(found)
    was = {"".join(cell["source"]) for cell in base}
    for cell in mine:
        source = "".join(cell["source"])
        assert source in was or source in made, "the student's text is there"
        if cell["cell_type"] == "code" and "student ran" in str(cell["outputs"]):
            ran = [c.get("outputs") for c in found["cells"]]
            assert cell["outputs"] in ran, "the student's output is there"
    for cell in theirs:
        source = "".join(cell["source"])
        assert source in was or source in made, "the teacher's change is there"
    written = {"".join(cell["source"]) for cell in [*mine, *theirs]}
    runs = [(c["outputs"], c["execution_count"]) for c in [*mine, *theirs] if "outputs" in c]
    for cell in found["cells"]:
        source = "".join(cell["source"])
        assert source in written or "teacher's version" in source, "no text is of both sides"
        if "outputs" in cell:
            assert (cell["outputs"], cell["execution_count"]) in runs, "one run, not two"
