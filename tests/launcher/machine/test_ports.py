"""A port for a server that another process opens later."""

from __future__ import annotations

import socket

from launcher.machine import ports
from launcher.machine.ports import free_port, is_free
from tests.waiting import wait_for


def test_it_is_none_that_the_system_gives_out():
    first = int(ports.GIVEN_OUT.read_text().split()[0])
    assert all(1024 <= free_port() < first for _ in range(50))


def test_a_port_that_somebody_has_is_not_free():
    with socket.create_server(("127.0.0.1", free_port())) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    wait_for(lambda: is_free(port))  # another test may have it for a moment


def test_where_the_system_says_nothing_there_is_one_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(ports, "GIVEN_OUT", tmp_path / "none")
    assert is_free(free_port())
    (tmp_path / "none").write_text("1024 65535\n")
    assert is_free(free_port())
