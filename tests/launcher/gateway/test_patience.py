"""A gateway that was killed is started again: who changes routes meanwhile waits for it."""

import http.server
import threading
import time

import pytest

from launcher.gateway import client as module
from launcher.gateway.client import GatewayClient, GatewayGone
from launcher.machine.ports import free_port


@pytest.fixture
def client(tmp_path):
    (tmp_path / "gateway").write_text(f"{free_port()} 1 1")
    return GatewayClient(tmp_path / "gateway", "token")


class Admin(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.seen.append(self.path)
        self.send_response(201)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_route_is_added_as_soon_as_the_gateway_is_back(client, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 60)
    seen = []

    def start():
        time.sleep(0.5)
        with http.server.HTTPServer(("127.0.0.1", client.announced().admin), Admin) as server:
            server.seen = seen
            server.handle_request()

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    client.add_route("abc", "http://h:1", "s1", "t")
    thread.join(30)
    assert seen == ["/api/routes/s/abc"]


def test_one_that_stays_away_is_a_sentence(client, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    with pytest.raises(GatewayGone, match="does not answer"):
        client.add_route("abc", "http://h:1", "s1", "t")
    client.announcement.unlink()
    with pytest.raises(GatewayGone):
        client.remove_route("abc")
