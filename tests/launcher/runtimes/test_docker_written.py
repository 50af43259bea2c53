"""What sessions wrote outside of their homes: one that the engine cannot count hides no other."""

from __future__ import annotations

from types import SimpleNamespace

from launcher.runtimes.docker.api import EngineSlow
from launcher.runtimes.docker.sessions import DockerRuntime


class Api:
    """An engine that takes too long whenever it must count `slow`."""

    def __init__(self, sizes, slow=""):
        self.sizes, self.slow, self.asked = sizes, slow, []

    def containers(self, *, filters, size=False):
        every = [filters["id"]] if "id" in filters else list(self.sizes)
        self.asked.append((every, size))
        if size and self.slow in every:
            raise EngineSlow("The Docker engine does not answer in time.")
        rows = [{"Id": one, "Labels": {"launcher.session": f"s-{one}"}} for one in every]
        # The engine leaves the size out where nothing was written.
        return [row | ({"SizeRw": self.sizes[row["Id"]]} if size else {}) for row in rows]


def runtime(api):
    return DockerRuntime(SimpleNamespace(api=api), images=None, instance="mine")


def test_one_question_is_enough_where_the_engine_answers():
    api = Api({"a": 5, "b": 7})
    assert runtime(api).written() == {"s-a": 5, "s-b": 7}
    assert len(api.asked) == 1


def test_one_that_takes_too_long_is_told_apart():
    api = Api({"a": 5, "b": 7, "c": 9}, slow="b")
    assert runtime(api).written() == {"s-a": 5, "s-b": None, "s-c": 9}


def test_those_for_whom_no_time_is_left_have_their_turn_another_time(monkeypatch):
    monkeypatch.setattr("launcher.runtimes.docker.sessions.COUNTING", -1.0)
    api, found = Api({"a": 5, "b": 7, "c": 9}, slow="b"), {}
    for _ in range(100):
        one = runtime(api).written()
        assert len(one) == 1, "nothing is said of others"
        found |= one
    assert found == {"s-a": 5, "s-b": None, "s-c": 9}
