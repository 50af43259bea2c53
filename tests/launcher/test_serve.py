"""A launcher that cannot start leaves nothing behind that would hold up the next one."""

from __future__ import annotations

import pytest

from launcher import identity, serve
from launcher.config import load_config
from launcher.errors import NoRuntime
from launcher.gateway.process import client_of

pytestmark = pytest.mark.slow


def test_a_start_that_fails_ends_its_gateway_and_frees_the_folder(tmp_path, monkeypatch):
    config = load_config(data=str(tmp_path), listen="127.0.0.1:0", runtime="local")

    def broken(*args, **more):
        raise NoRuntime("nothing works")

    monkeypatch.setattr(serve, "create_app", broken)
    for _ in range(2):
        with pytest.raises(NoRuntime):
            serve.start(config)
        assert not client_of(config, identity.load_secret(tmp_path)).listens()
