"""A receipt says what happened, in words for a student."""

import json

from launcher.content.receipt import LISTED, LONGEST, MOST, Receipt


def test_the_sentence_names_what_concerns_the_student():
    receipt = Receipt(
        before="a" * 40,
        after="b" * 40,
        new=("c.txt",),
        merged=("a.txt",),
        kept=(("hw.ipynb", "hw (teacher 2026-11-21).ipynb"),),
        moved=(("d.txt", "d (yours 2026-11-21).txt"),),
        notes=("The git server does not answer",),
    )
    assert receipt.sentence() == (
        "1 new file, your changes merged into a.txt. "
        "Your hw.ipynb was kept; the teacher's version is hw (teacher 2026-11-21).ipynb. "
        "Your own d.txt is now d (yours 2026-11-21).txt. The git server does not answer."
    )
    assert receipt.touches_work


def test_nothing_new_says_so():
    assert Receipt("a", "a").sentence() == "No new course files."
    assert Receipt("", "a", new=("x", "y")).sentence() == "2 course files copied."
    kept = Receipt("a", "b", kept=(("x", ""),))
    assert kept.sentence() == "Your x was kept."


def test_json_goes_there_and_back_and_long_lists_are_counted():
    receipt = Receipt("a", "b", new=("n",), kept=(("k", "t"),), moved=(("m", "o"),))
    found = json.loads(json.dumps(receipt.as_json()))
    assert Receipt.from_json(found) == receipt
    many = Receipt("", "b", new=tuple(str(n) for n in range(LISTED + 50))).as_json()
    assert len(many["new"]) == LISTED
    assert many["counts"]["new"] == LISTED + 50


def test_what_a_session_says_is_cut_to_what_pages_can_show():
    """The program that prints it runs as the student, who may run another in its place."""
    huge = "x" * 900_000
    found = {
        "before": huge,
        "snapshot": huge,
        "new": [huge] * 3000,
        "kept": [[huge, huge]] * 3000 + ["no pair", [1], {}],
        "notes": [huge] * 50,
        "counts": {"new": 7000, "kept": "many", "updated": 10**40},
    }
    receipt = Receipt.from_json(found)
    assert max(map(len, (receipt.before, receipt.snapshot, receipt.new[0]))) == LONGEST
    assert (len(receipt.new), receipt.number("new")) == (MOST, 7000)
    assert receipt.number("kept") == 3003
    assert receipt.number("updated") == 0
    assert len(receipt.notes) == 21
    assert receipt.notes[-1] == "And 30 more notes"
    assert "7000 new files" in receipt.sentence()
    assert "3000 more of your files were kept" in receipt.sentence()
    assert len(json.dumps(receipt.as_json())) < 200_000


def test_what_is_no_receipt_is_an_empty_one():
    for odd in (None, 1, "text", [1, None, ["x"]], {"x": 1}):
        names = ("before", "new", "kept", "moved", "notes", "counts", "snapshot")
        receipt = Receipt.from_json(dict.fromkeys(names, odd))
        assert not any(receipt.new + receipt.kept + receipt.moved)
        assert receipt.sentence()


def test_a_name_that_no_page_can_show_is_told_otherwise():
    assert Receipt.from_json({"new": ["a\ud800b"]}).new == ("a?b",)


def test_a_receipt_that_was_shortened_keeps_its_numbers_on_the_way():
    receipt = Receipt("a", "b", new=("x",), merged=("m", "n", "o"), more={"new": 9, "merged": 4})
    found = json.loads(json.dumps(receipt.as_json()))
    assert Receipt.from_json(found) == receipt
    assert receipt.sentence() == "10 new files, your changes merged into m, n and 5 more."
