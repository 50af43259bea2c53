"""Warm sessions: kept, handed over once, replaced, and given up; with a runtime that is a dict."""

import functools
import threading
import time
from dataclasses import dataclass, field, replace

import pytest

from launcher.errors import LaunchError, NoRoom, SessionFailed
from launcher.homes.home import Homes, has_server_settings
from launcher.session import Limits, SessionSpec, new_session_id
from launcher.sessions.sessions import Sessions
from launcher.warm.demand import Kind
from launcher.warm.pool import Pool
from tests.fakes import FakeGateway, FakeRuntime
from tests.logged import said_by
from tests.waiting import wait_for

I1, I2, I3 = Kind("i1"), Kind("i2"), Kind("i1-new")


@dataclass
class FakeWarm:
    """Keeps claims in a dict; what does not work is switched off by a test."""

    runtime: FakeRuntime
    why: str | None = None
    unsettled: str | None = None
    fails: bool = False
    attaches: bool = True
    claims: dict = field(default_factory=dict)
    others: tuple = ()
    old: set = field(default_factory=set)
    starting: int = 0
    begun: int = 0
    most_at_once: int = 0
    pause: float = 0.0
    first_two: threading.Barrier | None = None
    """Where those wait for each other."""
    guard: threading.Lock = field(default_factory=threading.Lock)

    def why_not(self):
        return self.why

    def start(self, spec):
        with self.guard:
            self.starting += 1
            self.begun += 1
            self.most_at_once = max(self.starting, self.most_at_once)
            together = self.first_two if self.begun <= 2 else None
        if together:
            together.wait(60)
        time.sleep(self.pause)
        with self.guard:
            self.starting -= 1
        if self.fails:
            raise SessionFailed("no such image")
        return self.runtime.start(spec)

    def settle(self, session_id):
        return "somebody has it already" if session_id in self.claims else self.unsettled

    def claim(self, spec):
        if spec.id in self.others:
            return False
        return self.claims.setdefault(spec.id, spec.owner) == spec.owner

    def is_claimed(self, session_id):
        return session_id in self.claims

    def attach(self, spec):
        if not self.attaches:
            raise SessionFailed("the folder did not appear")
        session = replace(self.runtime.rows[spec.id], owner=spec.owner, course=spec.course)
        self.runtime.rows[spec.id] = session
        return replace(session, answered=True)

    def is_attached(self, spec):
        return True

    def list(self):
        return [row for row in self.runtime.rows.values() if not row.owner]

    def outdated(self):
        return self.old

    def sweep(self, keep, *, unfinished):
        for row in self.list():
            if row.id not in keep():
                self.runtime.stop(row.id)


def spec_of_nobody(kind):
    session_id = new_session_id()
    return SessionSpec(session_id, "", "", kind.image, "", "t", None, Limits(1, 1, 1), kind.egress)


@pytest.fixture
def runtime(tmp_path):
    return FakeRuntime()


@pytest.fixture
def warm(runtime):
    return FakeWarm(runtime)


@pytest.fixture
def pool(runtime, warm):
    wishes = {I1: 3}
    pool = Pool(
        runtime,
        warm,
        spec_of_nobody,
        lambda session: True,
        lambda session: None,
        wishes=lambda: wishes,
        most=10,
        every=0.01,
        start_timeout=60.0,
    )
    pool.asked = wishes
    yield pool
    pool.stop()


until = functools.partial(wait_for, every=0.01)


def take(pool, tmp_path, student="s1", kind=I1):
    """As a launch does; None where it must start a session itself."""
    session = pool.reserve(kind)
    if session is None:
        return None
    home = tmp_path / "homes" / student
    spec = SessionSpec(session.id, student, "c1", kind.image, "l", "t", home, Limits(1, 1, 1))
    given = pool.hand_over(spec)
    pool.put_back(session)
    return given and (spec, given)


def test_as_many_as_are_asked_for_become_ready_and_are_filled_up_again(pool, tmp_path):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    spec, session = take(pool, tmp_path)
    assert (session.owner, session.answered) == ("s1", True)
    assert spec.home.is_dir()
    until(lambda: pool.counts() == {I1: 3})


def test_an_image_without_any_has_none_to_give(pool, tmp_path):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    assert pool.has_ready(I1.image)
    assert not pool.has_ready(I2.image)
    assert take(pool, tmp_path, kind=I2) is None


def test_clicks_of_the_last_minutes_are_demand(pool, tmp_path):
    pool.start()
    assert take(pool, tmp_path, kind=I2) is None
    until(lambda: pool.counts().get(I2) == 1)


def test_one_session_goes_to_one_student_whoever_asks_at_once(pool, tmp_path):
    pool.asked[I1] = 5
    pool.start()
    until(lambda: pool.counts() == {I1: 5})
    got, barrier = [], threading.Barrier(8)

    def click(number):
        barrier.wait()
        if taken := take(pool, tmp_path, student=f"s{number}"):
            got.append(taken[0].id)

    threads = [threading.Thread(target=click, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) >= 5


def test_one_that_another_process_was_faster_with_is_neither_given_out_nor_stopped(
    pool, warm, runtime, tmp_path
):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    first = next(iter(pool._ready[I1])).id
    warm.others = (first,)
    assert take(pool, tmp_path) is None
    time.sleep(0.05)
    assert first in runtime.rows
    assert take(pool, tmp_path)[0].id != first


def test_one_whose_slot_cannot_be_attached_is_thrown_away_never_given_out(
    pool, warm, runtime, tmp_path
):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    first = next(iter(pool._ready[I1])).id
    warm.attaches = False
    assert take(pool, tmp_path) is None
    until(lambda: first not in runtime.rows)


def test_never_more_than_fit_and_never_more_than_two_start_at_once(pool, warm):
    warm.pause, warm.first_two = 0.05, threading.Barrier(2)
    pool.queue.capacity.plan = replace(pool.queue.capacity.plan, sessions=3)
    assert pool.queue.capacity.hold("a" * 24, "s9", "c9", "i1") is None
    pool.asked[I1] = 8
    pool.start()
    until(lambda: pool.counts() == {I1: 2})
    time.sleep(0.2)
    assert pool.counts() == {I1: 2}
    assert pool.queue.capacity.hold("b" * 24, "s8", "c9", "i1"), "the machine is full"
    pool.asked[I1] = 1

    def has_room():  # a round that began with the old wish takes it once more
        pool.give_back(1)
        return pool.queue.capacity.hold("b" * 24, "s8", "c9", "i1") is None

    until(has_room)
    pool.asked[I1] = 8
    pool.queue.capacity.plan = replace(pool.queue.capacity.plan, sessions=0)
    until(lambda: pool.counts() == {I1: 8})
    assert warm.most_at_once == 2


def test_an_image_that_was_replaced_loses_its_sessions_at_once(pool, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    pool.asked.clear()
    pool.asked[I3] = 3
    until(lambda: pool.counts() == {I3: 3})
    until(lambda: {row.image for row in runtime.rows.values()} == {"i1-new"})


def test_surplus_goes_one_by_one(pool, monkeypatch):
    monkeypatch.setattr("launcher.warm.pool.SURPLUS", 0.2)
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    take, taken = pool._take, []
    monkeypatch.setattr(pool, "_take", lambda going: taken.append(take(going)) or taken[-1])
    began = time.monotonic()
    pool.asked[I1] = 1
    until(lambda: pool.counts() == {I1: 1})
    assert time.monotonic() - began > 0.2, "the second one has its time"
    assert [len(going) for going in taken if going] == [1, 1]


def troubles(pool):
    return {kind: one.why for kind, one in pool._trouble.items()}


def test_what_cannot_start_is_tried_again_later_and_later(pool, warm):
    warm.fails = True
    pool.start()
    until(lambda: troubles(pool) == {I1: "no such image"})
    again = pool._trouble[I1].again
    assert again > time.monotonic()
    until(lambda: pool.starting() == 0)
    begun = warm.begun
    time.sleep(0.1)
    assert warm.begun == begun <= pool.at_once
    warm.fails = False
    pool._trouble[I1].again = 0
    until(lambda: pool.counts() == {I1: 3})
    assert troubles(pool) == {}


def test_what_fails_while_the_engine_is_gone_keeps_no_room_and_is_told_once(
    pool, warm, runtime, monkeypatch, caplog
):
    def stop(session_id):
        raise OSError("the engine does not answer")

    warm.fails = True
    monkeypatch.setattr(runtime, "stop", stop)
    pool.start()
    until(lambda: troubles(pool) and warm.starting == 0)
    until(lambda: pool.queue.capacity.held() == [])
    for begun in (2, 4, 6):
        until(lambda begun=begun: warm.begun >= begun and not pool.starting())
        pool._trouble[I1].again = 0
    said = said_by(caplog, "launcher.warm.pool", "launcher.rounds")
    assert sorted(one.getMessage() for one in said) == [
        "a session was not started in advance: no such image",
        "stopping a warm session failed: OSError: the engine does not answer",
    ]
    monkeypatch.undo()


def test_an_image_whose_sessions_cannot_be_given_out_is_said_and_left_alone(pool, warm, runtime):
    warm.unsettled = "its server writes 'x' into its home when it starts"
    pool.start()
    until(lambda: "writes 'x'" in troubles(pool).get(I1, ""))
    until(lambda: not runtime.rows)
    assert pool.counts() == {}


def test_a_server_that_never_answers_is_given_up(pool, runtime):
    pool.answers, pool.start_timeout = lambda session: False, 0.3
    pool.start()
    until(lambda: "did not answer" in troubles(pool).get(I1, ""))
    until(lambda: not runtime.rows)


def test_one_that_died_while_it_waited_is_replaced(pool, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    dead = next(iter(runtime.rows.values()))
    runtime.rows[dead.id] = replace(dead, running=False)
    pool._tidied = 0
    until(lambda: dead.id not in runtime.rows and pool.counts() == {I1: 3})


def test_a_killed_launcher_s_warm_sessions_are_taken_over(pool, runtime):
    left = runtime.start(spec_of_nobody(I1))
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    assert left.id in runtime.rows


def test_none_is_given_up_before_it_is_known_what_is_wanted(pool, runtime):
    left, asked = runtime.start(spec_of_nobody(I1)), []
    pool.wishes = lambda: asked.append(1)
    pool.start()
    until(lambda: pool.counts() == {I1: 1} and len(asked) > 5)
    assert left.id in runtime.rows
    pool.wishes = lambda: {I1: 2}
    until(lambda: pool.counts() == {I1: 2})
    assert left.id in runtime.rows


def test_none_is_kept_where_that_cannot_work_and_leftovers_go(pool, warm, runtime, tmp_path):
    runtime.start(spec_of_nobody(I1))
    warm.why = "only root may"
    pool.start()
    assert pool.problem == "only root may"
    assert take(pool, tmp_path) is None
    until(lambda: not runtime.rows)


def test_one_that_cannot_be_looked_into_is_the_last_that_is_started(
    pool, warm, runtime, monkeypatch
):
    """Before the first container nobody could know; then no container is wasted every minutes."""
    monkeypatch.setattr("launcher.warm.pool.LONGEST_PAUSE", 0.0)  # kinds that fail: again at once

    def settle(session_id):
        warm.why = "no such process"
        return "the engine does not see what the launcher mounts"

    warm.settle = settle
    pool.start()
    until(lambda: pool.problem == "no such process")
    until(lambda: not runtime.rows and not pool.starting())
    begun = warm.begun
    time.sleep(0.2)
    assert warm.begun == begun <= 3
    assert pool.counts() == {}


@pytest.fixture
def failing(pool, warm, runtime, monkeypatch):
    """A pool with three ready sessions to which this machine has just become too small."""
    monkeypatch.setattr("launcher.warm.pool.TIDY", 0.1)
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    warm.why = warm.unsettled = "too many open files"
    pool.asked[I1] = 4
    until(lambda: pool.problem)
    return pool


def test_sessions_that_nobody_gets_any_more_hold_no_room(failing, runtime):
    until(lambda: runtime.rows == {} and failing.queue.capacity.held() == [])
    assert failing.counts() == {}


def test_what_has_failed_for_a_moment_is_tried_again(failing, warm):
    time.sleep(0.3)
    until(lambda: not failing.starting())
    begun = warm.begun
    time.sleep(0.3)
    assert warm.begun == begun, "none is started only to look"
    warm.why = warm.unsettled = None
    failing._trouble[I1].again = 0
    until(lambda: failing.counts() == {I1: 4})
    assert failing.problem == ""


def test_memory_is_given_back_when_somebody_needs_it(pool, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    pool.asked[I1] = 0
    stop, may_end = runtime.stop, threading.Event()
    runtime.stop = lambda session_id: may_end.wait(60) and stop(session_id)
    assert pool.give_back(2) == 2
    assert list(pool.counts().values()) == [1]
    assert len(pool.queue.capacity.held()) == 3, "they still have their memory"
    may_end.set()
    until(lambda: len(runtime.rows) == 1 == len(pool.queue.capacity.held()))


def test_who_waits_is_given_the_room_that_is_lacking_and_no_more(pool, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    stop, may_end = runtime.stop, threading.Event()
    runtime.stop = lambda session_id: may_end.wait(60) and stop(session_id)
    look, looks, one_at_a_time = pool.round, [], threading.Lock()

    def by_turns():  # the pool's own thread goes on
        with one_at_a_time:
            looks.append(look())

    pool.round = by_turns
    until(lambda: looks)
    pool.queue.lacking = lambda: 1
    for _ in range(3):
        pool.round()
    assert list(pool.counts().values()) == [2]
    may_end.set()


def test_an_image_that_was_built_again_under_its_name_has_new_sessions(pool, warm, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    warm.old = {one.id for one in pool._ready[I1][:2]}
    kept = pool._ready[I1][2].id
    pool._tidied = 0
    until(lambda: not warm.old & set(runtime.rows) and pool.counts() == {I1: 3})
    assert kept in runtime.rows


def test_one_that_a_launch_has_just_reserved_is_not_stopped_under_its_hands(
    pool, warm, runtime, monkeypatch
):
    for name in ("CALM", "IMPATIENCE"):
        monkeypatch.setattr(f"launcher.warm.pool.{name}", 3600.0)  # no other is started
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    mine = pool.reserve(I1)
    warm.old = {mine.id, pool._ready[I1][0].id}
    pool._tidy()
    until(lambda: len(runtime.rows) == 2 and not pool._ending)
    assert mine.id in runtime.rows
    pool.put_back(mine)


def test_one_that_was_given_out_while_the_pool_looked_is_the_student_s(
    pool, warm, runtime, tmp_path, monkeypatch
):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    outdated, given = warm.outdated, []

    def click_meanwhile():
        monkeypatch.undo()
        given.append(take(pool, tmp_path)[0].id)
        return outdated()

    monkeypatch.setattr(warm, "outdated", click_meanwhile)
    pool._tidied = 0
    until(lambda: given and pool.counts() == {I1: 3})
    assert runtime.rows[given[0]].owner == "s1"
    assert given[0] not in pool._mine


def test_one_that_is_claimed_while_it_is_taken_over_is_not_stopped(pool, warm, runtime, tmp_path):
    left = runtime.start(spec_of_nobody(I1))
    pool.answers = lambda session: warm.claims.setdefault(session.id, "s1") == "s1"
    pool._mine[left.id] = I1
    pool._take_over(left)
    assert left.id in runtime.rows
    assert left.id not in pool._mine
    assert pool.counts() == {}


def test_a_launcher_that_starts_takes_over_none_of_an_old_image(pool, warm, runtime):
    left = runtime.start(spec_of_nobody(I1))
    warm.old = {left.id}
    pool.start()
    until(lambda: pool.counts() == {I1: 3} and left.id not in runtime.rows)


def begin_no_more(pool):
    """No round that goes on meanwhile begins another one."""
    asked = []
    pool.wishes = lambda: asked.append(1)
    until(lambda: asked)


def test_all_are_stopped_side_by_side_when_the_launcher_ends(pool, warm, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    begin_no_more(pool)
    stop, together = runtime.stop, threading.Barrier(3)

    def stop_together(session_id):
        together.wait(60)  # as long as it takes all three
        stop(session_id)

    runtime.stop = stop_together
    pool.stop()
    assert runtime.rows == {}


def test_a_launch_gets_none_that_the_launcher_is_just_stopping(pool, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    begin_no_more(pool)
    stop, got = runtime.stop, []

    def click_meanwhile(session_id):
        got.append(pool.reserve(I1))
        stop(session_id)

    runtime.stop = click_meanwhile
    pool.stop()
    assert got == [None, None, None]


def test_one_that_does_not_end_keeps_no_launcher_from_ending(pool, warm, runtime, monkeypatch):
    monkeypatch.setattr("launcher.warm.pool.END", 0.2)
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    begin_no_more(pool)
    may_end = threading.Event()
    runtime.stop = lambda session_id: may_end.wait(30)
    warm.sweep = lambda keep, *, unfinished: None
    pool.stop()
    assert not may_end.is_set()
    may_end.set()


@pytest.mark.parametrize("what", ["a start", "a round", "the last look"])
def test_nothing_that_hangs_keeps_a_launcher_from_ending(pool, warm, what, monkeypatch):
    monkeypatch.setattr("launcher.warm.pool.END", 0.2)
    may_end, hangs = threading.Event(), threading.Event()

    def hang(*_, **__):
        hangs.set()
        may_end.wait(30)
        raise LaunchError("the engine is away")

    if what == "a start":
        warm.start = hang
    if what == "a round":
        pool.wishes = hang
    pool.start()
    if what == "the last look":
        until(lambda: pool.counts() == {I1: 3})
        warm.sweep = hang
    else:
        assert hangs.wait(60)
    began = time.monotonic()
    pool.stop()
    assert time.monotonic() - began < 20
    may_end.set()


def test_nothing_of_nobody_s_is_left_when_the_launcher_ends(pool, warm, runtime, tmp_path):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    _, given = take(pool, tmp_path)
    warm.pause = 0.05
    pool.stop()
    assert set(runtime.rows) == {given.id}


def test_settings_that_a_server_reads_at_its_start_are_seen(tmp_path):
    assert not has_server_settings(tmp_path / "none")
    assert not has_server_settings(tmp_path)
    (tmp_path / ".jupyter/lab/user-settings").mkdir(parents=True)
    assert not has_server_settings(tmp_path)
    (tmp_path / ".jupyter/jupyter_server_config.py").touch()
    assert has_server_settings(tmp_path)


def test_a_folder_of_settings_that_is_a_link_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    home = tmp_path / "home"
    (home / ".local").mkdir(parents=True)
    (home / ".local/etc").symlink_to(elsewhere)
    assert has_server_settings(home)


@pytest.fixture
def sessions(tmp_path, runtime, warm, pool):
    """The sessions of a launcher with room for three, which are warm."""
    runtime.warm = warm
    pool.queue.capacity.plan = replace(pool.queue.capacity.plan, sessions=3)
    sessions = Sessions(
        runtime=runtime,
        gateway=FakeGateway(),
        homes=Homes(tmp_path / "homes"),
        history=FakeHistory(),
        secret=b"k" * 32,
        limits=Limits(1, 1, 1),
        start_timeout=1,
        queue=pool.queue,
        pool=pool,
    )
    pool.new_spec = sessions.spec_of_nobody
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    return sessions


class FakeHistory:
    def started(self, spec):
        pass

    def ended(self, session_id, why):
        return None


def ensure(sessions, student, image="i1", egress="web"):
    return sessions.ensure(student, "c1", image, "l", lambda said: None, egress=egress)


def held(sessions):
    return {(one.student, one.session) for one in sessions.queue.capacity.held() if one.student}


def test_a_click_takes_a_warm_session_and_its_room_is_the_student_s(sessions, runtime):
    before = set(runtime.rows)
    spec, session = ensure(sessions, "s1")
    assert session.answered
    assert spec.id in before
    assert held(sessions) == {("s1", spec.id)}
    again, _ = ensure(sessions, "s1")
    assert again.id == spec.id


def test_warm_sessions_make_room_for_a_click_on_another_environment(sessions, runtime):
    spec, session = ensure(sessions, "s1", image="i2")
    assert not session.answered
    assert held(sessions) == {("s1", spec.id)}
    until(lambda: len(runtime.rows) == 3)


def test_who_waits_in_line_comes_before_warm_sessions(sessions, pool, runtime):
    pool.asked[I1] = 0
    for student in ("s1", "s2", "s3"):
        ensure(sessions, student)
    with pytest.raises(NoRoom):
        ensure(sessions, "s4")
    pool.asked[I1] = 3
    first = next(row for row in runtime.rows.values() if row.owner == "s1")
    sessions.stop(first.id, why="done")
    time.sleep(0.1)
    assert pool.counts() == {}
    sessions.queue.called([("s4", "c1")], 0)
    assert ensure(sessions, "s4")[1].owner == "s4"


def test_one_that_the_student_has_no_room_for_waits_for_another_one(sessions, pool):
    capacity = sessions.queue.capacity
    capacity.plan = replace(capacity.plan, per_student=1)
    sessions.ensure("s1", "c0", "i1", "l", lambda said: None)
    until(lambda: pool.counts() == {I1: 2})
    with pytest.raises(NoRoom):
        ensure(sessions, "s1")
    assert len(held(sessions)) == 1


def test_a_slot_that_fails_at_the_click_means_a_cold_start_with_the_same_folder(sessions, warm):
    home = sessions.homes.path("s1", "c1")
    home.mkdir(parents=True)
    (home / "work.txt").write_text("mine")
    warm.attaches = False
    spec, session = ensure(sessions, "s1")
    assert not session.answered
    assert (spec.home / "work.txt").read_text() == "mine"
    assert held(sessions) == {("s1", spec.id)}


def test_a_student_with_server_settings_starts_cold(sessions, runtime):
    settings = sessions.homes.path("s1", "c1") / ".jupyter"
    settings.mkdir(parents=True)
    (settings / "jupyter_server_config.json").write_text("{}")
    before = set(runtime.rows)
    spec, _ = ensure(sessions, "s1")
    assert spec.id not in before


def test_what_a_session_may_reach_is_part_of_its_kind(sessions, runtime):
    before = set(runtime.rows)
    spec, session = ensure(sessions, "s1", egress="none")
    assert spec.id not in before
    assert session.egress == "none"
