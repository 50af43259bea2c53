"""Places for builds: so many at a time, the catalogue's before strangers', over all processes."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import threading
import time

import pytest

from envs.build_places import BuildPlaces, owner_of
from envs.errors import BuildCancelled, TooManyBuilds
from envs.halt import NO_HALT, Halt
from tests.waiting import wait_for


@pytest.fixture
def places(tmp_path):
    return BuildPlaces(tmp_path / "slots", 1, 3, poll=0.01)


def ignore(line):
    pass


NAMES = (f"https://git.example.org/owner{number}/env" for number in itertools.count())


@contextlib.contextmanager
def turn(places, say=ignore, halt=NO_HALT, *, chosen=False):
    """A place, of an owner who has no other."""
    with places.ticket(next(NAMES), chosen=chosen) as ticket:
        places.wait(ticket, say, halt)
        yield


class Build:
    """Waits in a thread for its turn, then until it may end."""

    def __init__(self, places, *, chosen=False, repo=""):
        self.places, self.chosen, self.repo = places, chosen, repo or next(NAMES)
        self.said, self.runs, self.may_end = [], threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        wait_for(lambda: self.said or self.runs.is_set())

    def _run(self):
        with self.places.ticket(self.repo, chosen=self.chosen) as ticket:
            self.places.wait(ticket, self.said.append, NO_HALT)
            self.runs.set()
            self.may_end.wait(60)

    def end(self):
        self.may_end.set()
        self.thread.join(60)


def test_who_waits_is_told_how_many_are_before_and_they_go_in_order(places):
    order, said, threads = [], [[], [], []], []
    free = threading.Event()

    def build(number):
        with turn(places, said[number].append):
            order.append(number)
            free.wait(60)

    with turn(places):
        for number in range(3):
            threads.append(threading.Thread(target=build, args=(number,)))
            threads[-1].start()
            wait_for(lambda number=number: said[number])
        assert [lines[0] for lines in said] == [
            "Waiting for a build place, you are next",
            "Waiting for a build place, 1 before you",
            "Waiting for a build place, 2 before you",
        ]
    wait_for(lambda: order == [0])
    wait_for(lambda: "Waiting for a build place, you are next" in said[1])
    free.set()
    for thread in threads:
        thread.join(60)
    assert order == [0, 1, 2]
    assert not list((places.folder / "row").iterdir())


def test_so_many_at_a_time_and_no_more(tmp_path):
    places = BuildPlaces(tmp_path / "slots", 2, 3, poll=0.01)
    running, most, guard = 0, 0, threading.Lock()
    begun, first_two = itertools.count(), threading.Barrier(2)

    def build():
        nonlocal running, most
        with turn(places, chosen=True):
            with guard:
                running += 1
                most = max(most, running)
            if next(begun) < 2:
                first_two.wait(60)
            time.sleep(0.05)
            with guard:
                running -= 1

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 2


def hold(folder, begun):
    with turn(BuildPlaces(folder, 1, 3, poll=0.01)):
        begun.set()
        time.sleep(60)


def test_a_process_that_is_killed_gives_back_its_place_and_its_ticket(places):
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    processes = [context.Process(target=hold, args=(places.folder, begun)) for _ in range(2)]
    for process in processes:
        process.start()
    assert begun.wait(60)
    wait_for(lambda: len(list((places.folder / "row").iterdir())) == 1)
    for process in processes:
        process.kill()
        process.join(60)
    said = []
    with turn(places, said.append):
        assert said in ([], ["Waiting for a build place, you are next", "It is your turn"])


def test_who_is_cancelled_leaves_the_row(places):
    wishes = []
    with turn(places):
        with pytest.raises(BuildCancelled), turn(places, wishes.append, Halt(lambda: bool(wishes))):
            pytest.fail("there was no place")
        assert not list((places.folder / "row").iterdir())


def test_strangers_leave_a_place_that_the_catalogue_gets_at_once(tmp_path):
    places = BuildPlaces(tmp_path / "slots", 2, 3, poll=0.01)
    stranger, waits = Build(places), Build(places)
    assert stranger.runs.is_set()
    assert waits.said == ["Waiting for a build place, you are next"]
    chosen = Build(places, chosen=True)
    assert chosen.said == []
    chosen.end()
    assert not waits.runs.is_set()
    stranger.end()
    assert waits.runs.wait(60)
    waits.end()
    assert not list(places.folder.glob("r*/*"))


def test_the_catalogue_goes_before_strangers_and_each_kind_in_its_order(places):
    first, strangers = Build(places), [Build(places), Build(places)]
    chosen = [Build(places, chosen=True), Build(places, chosen=True)]
    wait_for(lambda: strangers[0].said[-1] == "Waiting for a build place, 2 before you")
    assert chosen[0].said == ["Waiting for a build place, you are next"]
    row = [*chosen, *strangers]
    first.end()
    for number, build in enumerate(row):
        assert build.runs.wait(60)
        assert not any(later.runs.is_set() for later in row[number + 1 :])
        build.end()


def test_a_stranger_s_is_the_catalogue_s_as_soon_as_that_wants_it(tmp_path):
    places, wanted = BuildPlaces(tmp_path / "slots", 2, 1, poll=0.01), threading.Event()
    first, ahead = Build(places), Build(places)
    assert first.runs.is_set()
    repo, said = next(NAMES), []
    with places.ticket(repo, chosen=False) as ticket:
        waiting = threading.Thread(
            target=places.wait,
            args=(ticket, said.append, NO_HALT),
            kwargs={"chosen": wanted.is_set},
        )
        waiting.start()
        wait_for(lambda: said == ["Waiting for a build place, 1 before you"])
        wanted.set()
        waiting.join(60)
        assert said[-1] == "It is your turn"
        assert not ahead.runs.is_set()
        with places.ticket(repo, chosen=False):
            pass  # it is none of its owner's any more
    first.end()
    ahead.end()
    assert not list(places.folder.glob("r*/*"))


def test_the_catalogue_may_take_every_place(tmp_path):
    places = BuildPlaces(tmp_path / "slots", 2, 3, poll=0.01)
    builds = [Build(places, chosen=True) for _ in range(3)]
    assert [build.runs.is_set() for build in builds] == [True, True, False]
    for build in builds:
        build.end()


def test_one_owner_s_builds_are_so_many_and_then_refused(places):
    repo = "https://git.example.org/Somebody/a"
    builds = [Build(places, repo=f"{repo}{number}") for number in range(3)]
    another = "https://git.example.org:8443/somebody/b"
    said = r"repositories of git\.example\.org/somebody run or wait already: 3"
    with pytest.raises(TooManyBuilds, match=said), places.ticket(another, chosen=False):
        pytest.fail("there were three")
    with places.ticket(another, chosen=True), places.ticket(next(NAMES), chosen=False):
        assert len(list((places.folder / "row").iterdir())) == 4
    builds[0].end()
    with places.ticket(another, chosen=False):
        pass
    for build in builds[1:]:
        build.end()


def test_of_many_who_come_at_once_no_more_are_let_in(places):
    let_in, together, ends = [], threading.Barrier(12), threading.Event()

    def come():
        together.wait(60)
        with (
            contextlib.suppress(TooManyBuilds),
            places.ticket("https://h/o/r", chosen=False) as one,
        ):
            let_in.append(one)
            ends.wait(60)

    threads = [threading.Thread(target=come) for _ in range(12)]
    for thread in threads:
        thread.start()
    wait_for(lambda: sum(thread.is_alive() for thread in threads) == 3)
    ends.set()
    for thread in threads:
        thread.join(60)
    assert len(let_in) == 3


@pytest.mark.parametrize(
    ("repo", "owner"),
    [
        ("https://github.com/Org/Repo.git", "github.com/org"),
        ("https://user@GitHub.com:443/org/other/", "github.com/org"),
        ("https://github.com./org/other", "github.com/org"),
        ("https://github.com//%6frg/other", "github.com/org"),
        ("git@github.com:org/repo", "github.com/org"),
        ("ssh://git@github.com/org/repo", "github.com/org"),
        ("docker:quay.io/org/image", "quay.io/org"),
        ("docker:docker.io/org/image", "docker.io/org"),
        ("docker:org/image", "docker.io/org"),
        ("https://git.example.org/repo", "git.example.org/repo"),
    ],
)
def test_an_owner_is_the_same_however_a_link_spells_it(repo, owner):
    assert owner_of(repo) == owner


def test_without_a_catalogue_strangers_have_every_place(tmp_path):
    places = BuildPlaces(tmp_path / "slots", 2, 3, poll=0.01, kept=0)
    first, second = Build(places), Build(places)
    assert first.runs.wait(30)
    assert second.runs.wait(30)
    first.end()
    second.end()
