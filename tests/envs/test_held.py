"""A lock that is removed while others wait for it."""

from __future__ import annotations

import fcntl
from concurrent.futures import ThreadPoolExecutor

import pytest

from envs.held import held


def test_one_at_a_time_however_often_the_file_is_removed(tmp_path):
    file, inside, most = tmp_path / "lock", [], []

    def work(number):
        for _ in range(50):
            with held(file):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)
                if number % 2:
                    file.unlink()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert max(most) == 1
    assert len(most) == 400


def test_who_waited_for_a_file_that_is_gone_holds_its_successor(tmp_path, monkeypatch):
    file, real, waited = tmp_path / "lock", fcntl.flock, []

    def flock(lock, how):
        real(lock, how)
        waited.append(lock)
        if len(waited) == 1:
            file.unlink()  # as whoever held it before did

    monkeypatch.setattr(fcntl, "flock", flock)
    with held(file), pytest.raises(BlockingIOError), held(file, wait=False):
        pass
    assert len(waited) == 2


def test_what_goes_wrong_inside_is_told_once(tmp_path):
    with pytest.raises(FileNotFoundError), held(tmp_path / "lock"):
        raise FileNotFoundError
    with held(tmp_path / "lock", wait=False):
        pass
