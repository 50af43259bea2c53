"""Routes are kept in a file; what counts is what is in memory."""

from __future__ import annotations

import asyncio
import errno
import os

from launcher.gateway import routes as module
from launcher.gateway.routes import Route, Routes


def test_a_route_can_be_added_and_removed_while_the_disk_is_full(tmp_path, monkeypatch):
    routes = Routes(tmp_path / "routes.json")
    routes.put("ab12", Route("http://127.0.0.1:1"))
    routes.save()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        assert routes.remove("ab12")
        routes.put("cd34", Route("http://127.0.0.1:2"))
        routes.save()
    assert list(routes.known) == ["cd34"]
    assert os.listdir(tmp_path) == ["routes.json"], "nothing half-written stays"
    routes.put("ef56", Route("http://127.0.0.1:3"))
    routes.save()
    assert list(Routes.load(tmp_path / "routes.json").known) == ["cd34", "ef56"]


def test_a_class_that_comes_at_once_is_one_write(tmp_path, monkeypatch):
    file, writes, real = tmp_path / "routes.json", [], os.replace
    monkeypatch.setattr(os, "replace", lambda *names: (writes.append(names), real(*names)))
    monkeypatch.setattr(module, "MOMENT", 0.05)

    async def everybody(routes):
        for number in range(40):
            routes.put(f"ab{number}", Route(f"http://127.0.0.1:{number}"))
            routes.keep()
        while not writes:
            await asyncio.sleep(0.01)
        assert routes.remove("ab0")
        routes.keep()
        while len(writes) < 2:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(everybody(Routes(file)), 60))
    assert len(Routes.load(file).known) == 39
    assert len(writes) == 2
