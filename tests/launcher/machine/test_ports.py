"""A port for a server that another process opens later."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from launcher.machine import ports
from launcher.machine.ports import free_port, is_free
from tests.waiting import wait_for


def test_it_is_none_that_the_system_gives_out():
    first = int(ports.GIVEN_OUT.read_text().split()[0])
    assert all(1024 <= free_port() < first for _ in range(50))


def test_it_stays_reserved_and_a_server_can_open_it():
    port = free_port()
    drawn = f"from launcher.machine import ports; raise SystemExit(ports.reserve({port}) != 0)"
    assert ports.reserve(port) == 0
    assert subprocess.run([sys.executable, "-c", drawn], timeout=60).returncode == 0, "nor there"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 30)
    with socket.create_server(("127.0.0.1", port)):
        socket.create_connection(("127.0.0.1", port), 30).close()
        assert not is_free(port)


def test_only_so_many_stay_reserved(monkeypatch):
    monkeypatch.setattr(ports, "RESERVED", type(ports.RESERVED)())
    monkeypatch.setattr(ports, "KEPT", 2)
    given = [free_port() for _ in range(3)]
    assert len(set(given)) == 3
    assert len(ports.RESERVED) == 2
    for held in ports.RESERVED:
        os.close(held)


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
