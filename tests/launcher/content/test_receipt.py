"""A receipt says what happened, in words for a student."""

import json

from launcher.content.receipt import LISTED, Receipt


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
