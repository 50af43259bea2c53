"""What a pull answers has an end, and true numbers."""

from launcher.content.reconcile.answer import MOST, ROOM, first, shortened


def test_a_short_receipt_is_as_it_was_with_its_counts():
    receipt = {"before": "a", "new": ["x"], "kept": [["k", "t"]], "notes": []}
    assert shortened(receipt) == {**receipt, "counts": {"new": 1, "kept": 1, "notes": 0}}


def test_of_many_names_the_first_are_listed_and_all_are_counted():
    found = shortened({"new": [f"n{n}" for n in range(MOST + 5)]})
    assert found["new"] == [f"n{n}" for n in range(MOST)]
    assert found["counts"] == {"new": MOST + 5}


def test_long_names_end_a_list_earlier():
    names = ["ü" * 1000 + str(n) for n in range(100)]
    listed = first(names)
    assert listed == names[: len(listed)]
    assert 10 < len(listed) < ROOM / 6000
