import threading
from concurrent.futures import Future

import pytest

from launcher.shared_look import SharedLook


class Counted:
    """Looks that the test lets end one by one; each finds its number."""

    def __init__(self, error=None):
        self.began, self.may_end = threading.Semaphore(0), threading.Semaphore(0)
        self.number, self.error = 0, error

    def __call__(self):
        self.number += 1
        found = self.number
        self.began.release()
        assert self.may_end.acquire(timeout=30)
        if self.error:
            raise self.error
        return found


def ask(shared, count, found):
    def one():
        try:
            found.append(shared())
        except ValueError as error:
            found.append(str(error))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


@pytest.fixture
def shares(monkeypatch):
    """Counts those who wait for somebody else's look."""
    count = threading.Semaphore(0)

    class Counting(Future):
        def result(self, timeout=None):
            count.release()
            return super().result(timeout)

    monkeypatch.setattr("launcher.shared_look.Future", Counting)
    return count


@pytest.mark.parametrize("error", [None, ValueError("down")], ids=["found", "failed"])
def test_who_asks_meanwhile_shares_the_next_look_and_never_the_one_that_runs(error, shares):
    look, found = Counted(error), []
    shared = SharedLook(look)
    first = ask(shared, 1, found)
    assert look.began.acquire(timeout=30)
    others = ask(shared, 20, found)
    for _ in range(19):
        assert shares.acquire(timeout=30)
    look.may_end.release(2)
    for thread in (*first, *others):
        thread.join(30)
    assert len(found) == 21
    if error:
        assert set(found) == {"down"}
    else:
        assert found.count(1) == 1, "a look that began before they asked is not theirs"
    assert look.number == 2, "one for the first, one for those who came"


def test_after_a_failure_the_next_one_looks_again():
    answers = iter([ValueError("down"), "up"])

    def look():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    shared = SharedLook(look)
    with pytest.raises(ValueError, match="down"):
        shared()
    assert shared() == "up"
