"""How many sessions are kept warm: minimum, clicks of the last minutes, never beyond what fits."""

from hypothesis import given
from hypothesis import strategies as st

from launcher.warm.demand import Kind, Taken, demand, missing, surplus, wanted

A, B, OLD = Kind("a"), Kind("b"), Kind("old")
COUNTS = st.dictionaries(st.sampled_from([A, B, OLD, Kind("a", "none")]), st.integers(0, 20))


def test_clicks_ask_for_as_many_as_came_per_minute():
    clicks = [Taken(A, at) for at in range(0, 300, 10)]
    assert demand(clicks, now=300, window=600) == {A: 3}


def test_one_click_keeps_one_warm_for_the_whole_time_and_no_longer():
    assert demand([Taken(A, 0)], now=599, window=600) == {A: 1}
    assert demand([Taken(A, 0)], now=601, window=600) == {}


def test_the_largest_wish_counts():
    assert wanted({A: 2}, {A: 5, B: 1}, most=10) == {A: 5, B: 1}


def test_the_emptiest_is_filled_first():
    assert missing({A: 4, B: 2}, {A: 3}, room=3) == [B, B, A]


def test_what_nobody_wants_any_more_is_surplus():
    assert surplus({A: 1}, {A: 3, OLD: 2}) == {A: 2, OLD: 2}


@given(COUNTS, COUNTS, COUNTS, st.integers(0, 30), st.integers(-5, 30))
def test_the_plan_never_goes_beyond_the_memory_or_the_wish(first, second, have, most, room):
    wish = wanted(first, second, most=most)
    assert sum(wish.values()) <= most
    begun = missing(wish, have, room=room)
    assert len(begun) <= max(room, 0)
    for image in set(begun):
        assert have.get(image, 0) + begun.count(image) <= wish[image]
