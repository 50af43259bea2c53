"""A session's server answers a rehearsal as it likes: it steers nothing, and shows nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from urllib.parse import urlsplit

import pytest
from aiohttp import WSMsgType, web

from launcher.rehearsal import click as clicking
from launcher.rehearsal.click import Click, ClickFailed

SESSION = "ab" * 12
PRIVATE = "the cloud's own secret"


class Server:
    """A server in a thread of its own; `answers` has a view for each path, `asked` what came."""

    def __init__(self):
        self.answers, self.asked = {}, []
        self.loop = asyncio.new_event_loop()
        started = threading.Event()

        async def serve():
            app = web.Application()
            app.router.add_route("*", "/{rest:.*}", self.answer)
            self.runner = web.AppRunner(app)
            await self.runner.setup()
            site = web.TCPSite(self.runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
            started.set()

        self.loop.create_task(serve())
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        assert started.wait(30)

    async def answer(self, request):
        self.asked.append((request.method, request.path, request.headers.get("Host")))
        view = self.answers.get(request.path.removeprefix(f"/s/{SESSION}/"))
        return await view(request) if view else web.json_response({"said": PRIVATE})

    def stop(self):
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)
        self.loop.close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def private():
    """What only the launcher's machine can reach."""
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def click(server):
    made = Click(reached=server.url)
    made.url = f"{server.url}/s/{SESSION}/lab/tree/a.ipynb"
    return made


def with_answer(server, path, status=200, **words):
    async def view(request):
        return web.json_response(words.get("body", {}), status=status, headers=words.get("headers"))

    server.answers[path] = view


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_answer_leads_the_launcher_elsewhere(server, private, click, status):
    led = {"Location": f"{private.url}/latest/meta-data"}
    for path in ("api/contents/a.ipynb", "api/kernels", "api/kernels/k/channels"):
        with_answer(server, path, status, headers=led)
    with pytest.raises(ClickFailed, match="another address"):
        click.notebook("a.ipynb")
    with pytest.raises(ClickFailed, match="another address"):
        click.kernel()
    with pytest.raises(ClickFailed, match="another address"):
        click.run("1", kernel="k")
    assert private.asked == []


def test_no_words_of_the_server_are_shown(server, click):
    body = {"error": {"message": PRIVATE, "hint": PRIVATE}, "message": PRIVATE}
    for path in ("api/contents/a.ipynb", "api/sessions"):
        with_answer(server, path, 500, body=body)
    for ask in (lambda: click.notebook("a.ipynb"), lambda: click.kernel("python3", "a.ipynb")):
        with pytest.raises(ClickFailed) as failed:
            ask()
        assert "answered 500" in failed.value.message
        assert PRIVATE not in failed.value.message + failed.value.hint


@pytest.mark.parametrize("body", [[], {}, {"content": None}, {"content": "x"}, 7, None])
def test_nonsense_is_no_notebook(server, click, body):
    with_answer(server, "api/contents/a.ipynb", body=body)
    with pytest.raises(ClickFailed, match="session's server"):
        click.notebook("a.ipynb")


@pytest.mark.parametrize("made", ["../../../api/launches/x", "", 7, None, "k?x", "a" * 65])
def test_a_kernels_id_names_nothing_else(server, click, made):
    with_answer(server, "api/kernels", body={"id": made})
    with pytest.raises(ClickFailed, match="started no kernel"):
        click.run("1")
    assert [path for _, path, _ in server.asked] == [f"/s/{SESSION}/api/kernels"]


def test_an_answer_without_end_is_not_read_to_its_end(server, click, monkeypatch):
    monkeypatch.setattr(clicking, "LARGEST", 1024**2)

    async def endless(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(10_000):
            await answer.write(b" " * 65536)
        return answer

    server.answers["api/contents/a.ipynb"] = endless
    with pytest.raises(ClickFailed, match="without end"):
        click.notebook("a.ipynb")


def test_an_answer_that_trickles_ends_at_its_time(server, click, monkeypatch):
    monkeypatch.setattr(clicking, "PATIENCE", 1.0)

    async def trickle(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(600):
            await answer.write(b" ")
            await asyncio.sleep(0.1)
        return answer

    server.answers["api/contents/a.ipynb"] = trickle
    began = time.monotonic()
    with pytest.raises(ClickFailed, match="took longer than 1 s"):
        click.notebook("a.ipynb")
    assert time.monotonic() - began < 30


def talking(server, say):
    """A kernel whose socket says what `say` does, given the message that it was sent."""

    async def channels(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for frame in socket:
            if frame.type is WSMsgType.TEXT:
                await say(socket, frame.json())
        return socket

    server.answers["api/kernels/k/channels"] = channels


def message(asked, kind, **content):
    header = {"msg_id": asked["header"]["msg_id"]}
    return {"parent_header": header, "msg_type": kind, "content": content}


def test_a_cell_may_print_without_end_and_little_is_kept(server, click, monkeypatch):
    monkeypatch.setattr(clicking, "MOST_SAID", 1000)

    async def say(socket, asked):
        for _ in range(50):
            await socket.send_json(message(asked, "stream", text="x" * 500))
        await socket.send_json(message(asked, "status", execution_state="idle"))

    talking(server, say)
    assert click.run("1", kernel="k") == "x" * 1000


def test_one_output_may_be_large_and_not_larger(server, click, monkeypatch):
    monkeypatch.setattr(clicking, "LARGEST_MESSAGE", 1024**2)

    async def say(socket, asked):
        await socket.send_json(message(asked, "stream", text="x" * 1024**2))

    talking(server, say)
    with pytest.raises(ClickFailed, match="closed before"):
        click.run("1", kernel="k")


def test_an_error_is_shown_up_to_a_length(server, click):
    async def say(socket, asked):
        await socket.send_json(message(asked, "error", ename="E" * 10_000, evalue="v"))

    talking(server, say)
    with pytest.raises(ClickFailed) as failed:
        click.run("1", kernel="k")
    assert len(failed.value.message) < 1100


@pytest.mark.parametrize("said", ["x", "[]", "{}", '{"parent_header": []}', "[" * 100_000])
def test_messages_that_are_none_end_the_cell(server, click, said):
    async def say(socket, asked):
        await socket.send_str(said)

    talking(server, say)
    with pytest.raises(ClickFailed, match="kernel"):
        click.run("1", kernel="k")


def test_without_a_host_name_of_their_own_nobody_asks_where_sessions_are(server, click, private):
    with_answer(server, "api/status", 302, headers={"Location": f"{private.url}/s/{SESSION}/"})
    click._follow_to_session()
    assert (server.asked, click.host) == ([], {})


def test_sessions_are_where_the_settings_say_and_nowhere_else(server, click, private):
    click.sessions_url = "http://*.sessions.example.test"
    there = f"http://{SESSION}.sessions.example.test/s/{SESSION}/api/status?launcher_ticket=t"
    with_answer(server, "api/status", 302, headers={"Location": there})
    click._follow_to_session()
    named = urlsplit(there).netloc
    assert click.host == {"Host": named}
    assert [host for _, _, host in server.asked] == [urlsplit(server.url).netloc, named]
    for wrong in (f"{private.url}/s/{SESSION}/api/status", there.replace("status", "../x"), "/x"):
        with_answer(server, "api/status", 302, headers={"Location": wrong})
        with pytest.raises(ClickFailed, match="does not lead to where sessions are"):
            click._follow_to_session()
    assert private.asked == []


def test_the_launcher_itself_leads_a_program_nowhere(server, private, click):
    async def led(request):
        raise web.HTTPFound(f"{private.url}/launch")

    server.answers["/launch"] = led
    with pytest.raises(ClickFailed, match="answered 302"):
        click.open(f"{server.url}/launch?env=x", print)
    assert private.asked == []
