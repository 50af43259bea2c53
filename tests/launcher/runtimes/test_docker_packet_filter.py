"""The packet filter's rules and programs, and the devices that they are about."""

from __future__ import annotations

import os
import socket

import pytest

from launcher.runtimes.docker.packet_filter import devices, resolvers_of, restore_input
from tests.e2e.scratch_engine import own_network


def test_resolvers_are_the_engine_s(tmp_path):
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("nameserver 127.0.0.53\n")
    real.write_text("# by systemd\nsearch x\nnameserver 192.168.1.1\nnameserver fe80::1\n")
    assert resolvers_of([stub, real]) == ["192.168.1.1/32"]
    assert resolvers_of([stub, tmp_path / "none"]) == ["8.8.8.8/32", "8.8.4.4/32"]


def test_chains_are_replaced_at_once():
    assert restore_input({"A": ["-j RETURN"]}) == "*filter\n:A - [0:0]\n-A A -j RETURN\nCOMMIT\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes networks")
def test_devices_are_those_of_the_launcher_s_own_network():
    def the_same():
        before = {name for _, name in socket.if_nameindex()}
        found = devices()
        after = {name for _, name in socket.if_nameindex()}
        return before & after <= found <= before | after

    assert any(the_same() for _ in range(10)), "containers come and go, but not all the time"
    with own_network():
        assert devices() == {name for _, name in socket.if_nameindex()}
