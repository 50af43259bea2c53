"""Slots: claimed exactly once, by whichever thread or process; a slot is never emptied."""

import multiprocessing
import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launcher.runtimes.docker import mounts
from launcher.runtimes.docker.slots import Claim, SlotFailed, Slots, empty_folders, make_folder
from launcher.session import Limits, SessionSpec, new_session_id

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


def claim(owner):
    return Claim(owner, "c1", "link", 1.0)


def claim_all(folder, owner, ids, begin, won):
    slots = Slots(Path(folder), 1000)
    begin.wait()
    won.put((owner, [one for one in ids if slots.claim(one, claim(owner))]))


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(owners=st.integers(2, 6), count=st.integers(1, 20))
def test_threads_that_claim_at_once_never_get_the_same_session(tmp_path, owners, count):
    slots, won = Slots(tmp_path, 1000), {}
    ids = [new_session_id() for _ in range(count)]
    begin = threading.Barrier(owners)

    def work(owner):
        begin.wait()
        won[owner] = [one for one in ids if slots.claim(one, claim(owner))]

    threads = [threading.Thread(target=work, args=(f"s{number}",)) for number in range(owners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one for each in won.values() for one in each) == sorted(ids)
    for owner, each in won.items():
        assert all(Slots(tmp_path, 1000).find_claim(one).owner == owner for one in each)


def test_two_processes_that_claim_at_once_never_get_the_same_session(tmp_path):
    context = multiprocessing.get_context("spawn")
    begin, won = context.Barrier(2), context.Queue()
    ids = [new_session_id() for _ in range(200)]
    both = [
        context.Process(target=claim_all, args=(str(tmp_path), owner, ids, begin, won))
        for owner in ("s1", "s2")
    ]
    for one in both:
        one.start()
    results = dict(won.get(timeout=60) for _ in both)
    for one in both:
        one.join()
    assert sorted(results["s1"] + results["s2"]) == sorted(ids)


def test_a_claim_counts_once_its_home_was_seen_inside(tmp_path):
    slots, session_id = Slots(tmp_path, 1000), new_session_id()
    assert slots.claim(session_id, claim("s1"))
    assert slots.given() == {}
    (tmp_path / f"{session_id}.given").touch()
    assert slots.given() == {session_id: claim("s1")}


@pytest.fixture
def slots(tmp_path):
    slots = Slots((tmp_path / "slots").resolve(), 1000)
    yield slots
    left = [one for one in mounts.mount_points() if one.startswith(str(tmp_path))]
    for one in reversed(left):
        mounts.unmount(Path(one))
    assert left == [], "mounts were left"


@pytest.fixture
def spec(tmp_path):
    home = tmp_path / "homes" / "s1" / "c1"
    home.mkdir(parents=True)
    return SessionSpec(new_session_id(), "s1", "c1", "i", "l", "t", home, Limits(1, 1, 1))


@pytest.mark.parametrize("name", ["dépôt", "a b", "a\tb", "a\\b", "a\u00a0b", "\udce9t\udce9"])
@needs_root
def test_slots_go_whatever_the_data_folder_is_called(tmp_path, name):
    slots, session_id = Slots(tmp_path / name / "slots", 1000), new_session_id()
    slot = slots.make(session_id)
    assert (mounts.mounts_at(slot), mounts.mounts_at(slots.folder)) == (1, 1)
    assert mounts.is_shared(slots.folder)
    slots.release(session_id)
    assert os.listdir(slots.folder) == []
    assert mounts.mounts_at(slots.folder) == 0


@needs_root
def test_a_home_that_was_mounted_meanwhile_can_still_be_written(slots, spec):
    subprocess.run(["mount", "-t", "tmpfs", "homes", spec.home], check=True)
    slot = slots.make(spec.id)
    mounts.bind(str(spec.home), slot)
    with pytest.raises(SlotFailed, match="another folder"):
        slots.settle(spec.id, os.getpid())
    (spec.home / "work.txt").write_text("mine")
    slots.release(spec.id)
    mounts.unmount(spec.home)


@needs_root
def test_nothing_writes_into_a_settled_slot_through_another_mount_of_it(slots, spec, tmp_path):
    """As a container has: a read-only mount here would not reach it."""
    slot, inside = slots.make(spec.id), tmp_path / "inside"
    inside.mkdir()
    mounts.bind(str(slot), inside)
    mounts.forbid_writing(slot)
    with pytest.raises(OSError, match="Read-only"):
        (inside / "x").touch()
    mounts.unmount(inside)
    slots.release(spec.id)


@needs_root
def test_a_slot_that_is_released_leaves_no_mount_and_no_file(slots, spec):
    slot = slots.make(spec.id)
    assert slot.stat().st_uid == 1000
    assert slots.claim(spec.id, claim("s1"))
    (slot / "folder").mkdir()
    mounts.bind(str(spec.home), slot)
    (spec.home / "work.txt").write_text("mine")
    assert (slot / "work.txt").read_text() == "mine"
    slots.release(spec.id)
    assert os.listdir(slots.folder) == []
    assert (spec.home / "work.txt").read_text() == "mine"


@needs_root
def test_what_is_in_a_folder_below_a_slot_s_mounts_is_never_removed(slots, spec):
    slot = slots.make(spec.id)
    for _ in range(mounts.mounts_at(slot)):
        mounts.unmount(slot)
    (slot / "work.txt").write_text("somebody's")
    with pytest.raises(OSError, match="not empty"):
        slots.release(spec.id)
    assert (slot / "work.txt").read_text() == "somebody's"
    (slot / "work.txt").unlink()
    slots.release(spec.id)


@needs_root
def test_a_slot_that_somebody_is_in_goes_once_they_left(slots, spec):
    slot = slots.make(spec.id)
    mounts.bind(str(spec.home), slot)
    with (slot / "open.txt").open("w") as file:
        slots.release(spec.id)
        file.write("written later")
    assert (spec.home / "open.txt").read_text() == "written later"
    assert slots.known() == set()


@needs_root
def test_a_server_that_left_a_file_is_never_given_out(slots, spec):
    slot = slots.make(spec.id)
    (slot / ".config").mkdir()
    (slot / ".config/token").write_text("x")
    with pytest.raises(SlotFailed, match=r"\.config/token"):
        empty_folders(slot)
    slots.release(spec.id)


@needs_root
def test_a_server_that_keeps_a_file_open_is_never_given_out(slots, spec):
    slot = slots.make(spec.id)
    with (slot / "log").open("w"), pytest.raises(SlotFailed, match="open"):
        slots.settle(spec.id, os.getpid())
    slots.release(spec.id)


@needs_root
def test_an_engine_that_does_not_see_the_mounts_is_noticed(slots, spec):
    slots.make(spec.id)
    with pytest.raises(SlotFailed, match="does not see"):
        slots.settle(spec.id, os.getpid())
    slots.release(spec.id)


@needs_root
def test_a_home_that_does_not_appear_inside_is_not_given(slots, spec):
    slots.make(spec.id)
    with pytest.raises(SlotFailed, match="did not appear"):
        slots.attach(spec, os.getpid())
    assert not slots.is_given(spec.id)
    slots.release(spec.id)


@needs_root
def test_a_home_that_is_a_link_is_not_attached(slots, spec, tmp_path):
    slots.make(spec.id)
    link = tmp_path / "link"
    link.symlink_to(spec.home)
    with pytest.raises(SlotFailed):
        slots.attach(replace(spec, home=link), os.getpid())
    assert mounts.mounts_at(slots.folder / spec.id) == 1
    slots.release(spec.id)


@needs_root
def test_folders_of_the_server_come_along_and_no_link_is_followed(tmp_path):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    make_folder(home, ".local", 0o755, 1000)
    make_folder(home, ".local/share", 0o700, 1000)
    assert (home / ".local/share").stat().st_uid == 1000
    assert (home / ".local/share").stat().st_mode & 0o777 == 0o700
    (home / "link").symlink_to(elsewhere)
    make_folder(home, "link/x", 0o755, 1000)
    assert os.listdir(elsewhere) == []
    (home / "mine").write_text("x")
    make_folder(home, "mine", 0o755, 1000)
    assert (home / "mine").read_text() == "x"
