"""Routes are kept in a file; what counts is what is in memory."""

from __future__ import annotations

import errno
import os

from launcher.gateway.routes import Route, Routes


def test_a_route_can_be_added_and_removed_while_the_disk_is_full(tmp_path, monkeypatch):
    routes = Routes(tmp_path / "routes.json")
    routes.put("ab12", Route("http://127.0.0.1:1"))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert routes.remove("ab12")
        routes.put("cd34", Route("http://127.0.0.1:2"))
    assert list(routes.known) == ["cd34"]
    assert os.listdir(tmp_path) == ["routes.json"], "nothing half-written stays"
    routes.put("ef56", Route("http://127.0.0.1:3"))
    assert list(Routes.load(tmp_path / "routes.json").known) == ["cd34", "ef56"]
