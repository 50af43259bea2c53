"""A click as a student's browser makes it, over HTTP: open the link, run the notebook's cell.

What the session's server answers is the student's, or of whoever wrote the link: it leads nowhere
else, is read up to a size and a time, and its words are shown to nobody.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import requests
import urllib3

from launcher.errors import LaunchError
from launcher.settings.values import session_address

if TYPE_CHECKING:
    import aiohttp

Say = Callable[[str], None]
Found = TypeVar("Found")

PATIENCE = 60.0
"""Seconds for an answer of the session's server, from the first byte asked to the last."""
LARGEST = 64 * 1024**2
"""Bytes of one answer of the session's server: a notebook comes with all of its pictures."""
LARGEST_MESSAGE = 32 * 1024**2
"""Bytes of one output of a cell."""
MOST_SAID = 1024**2
"""Characters of what a cell prints that are kept."""
LONGEST_ERROR = 1000
"""Characters of an exception in a cell that are shown."""


class ClickFailed(LaunchError):
    """The click did not end in a notebook with an output."""


@dataclass
class Click:
    """One student's browser: its cookies, and the session it ended in."""

    browser: requests.Session = field(default_factory=requests.Session)
    url: str = ""
    reached: str = ""
    """The server's own address, where its public one does not lead to it from here."""
    sessions_url: str = ""
    """The setting: where sessions are, if they have a host name of their own."""
    host: dict[str, str] = field(default_factory=dict)
    """The header that names the sessions' host, where that does not lead here either."""

    def __post_init__(self) -> None:
        self.browser.trust_env = False  # the launcher is on this machine, whatever proxy is set
        if self.reached.startswith("https:"):  # its certificate names the public host only
            self.browser.verify = False
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def open(self, link: str, say: Say, *, timeout: float = 900.0) -> str:
        """Click the link and wait until the notebook's address is known.

        :raises ClickFailed: the launch failed, with its own words, or took longer than `timeout`.
        """
        answer = self._launcher(link, headers={"Accept": "application/json"})
        base, seen, deadline = link.split("/launch?")[0], 0, time.monotonic() + timeout
        while True:
            launch = self._json(answer)
            for event in launch["events"]:
                if event["cursor"] > seen:
                    say(("    " if event["log"] else "  ") + event["message"])
            seen = launch["cursor"]
            if launch["error"]:
                error = launch["error"]
                raise ClickFailed(error["message"], hint=error["hint"])
            if launch["url"]:
                self.url = launch["url"]
                if self.reached:
                    self.url = self.reached + urlsplit(self.url).path
                self._follow_to_session()
                return self.url
            if time.monotonic() > deadline:
                raise ClickFailed(f"The launch took longer than {timeout:.0f} s.")
            time.sleep(0.1)
            where = f"{base}/api/launches/{launch['id']}"
            answer = self._launcher(where, params={"since": seen})

    def _launcher(self, url: str, **words: Any) -> requests.Response:
        """What the launcher itself answers; it leads a program nowhere else."""
        return self.browser.get(url, allow_redirects=False, timeout=30, **words)

    def _follow_to_session(self) -> None:
        """Go where sessions are, if they have a host name of their own: a redirect lets us in.

        Without such a name the session's own server would answer, and it may lead anywhere.
        """
        if not self.sessions_url:
            return
        there = session_address(self.sessions_url, self.session_url.split("/")[-2])
        status = urlsplit(self.session_url).path + "api/status"
        with self._launcher(f"{self.session_url}api/status", stream=True) as answer:
            led = urlsplit(answer.headers.get("Location", ""))
        if f"{led.scheme}://{led.netloc}{led.path}" != there + status:
            raise ClickFailed("The launcher does not lead to where sessions are.")
        if self.reached:
            self.host = {"Host": led.netloc}
        else:
            self.url = urlsplit(self.url)._replace(netloc=led.netloc).geturl()
        ticket = f"{self.session_url}api/status?{led.query}"
        self._launcher(ticket, headers=self.host, stream=True).close()

    @property
    def session_url(self) -> str:
        """`.../s/<id>/`, where the session's own API begins."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/" + "/".join(parts.path.split("/")[1:3]) + "/"

    @property
    def origin(self) -> str:
        """The session's, as a browser would name it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{self.host.get('Host', parts.netloc)}"

    def notebook(self, path: str) -> dict[str, Any]:
        """The notebook as the session serves it.

        :raises ClickFailed: it does not serve one.
        """
        found = self._ask("GET", f"api/contents/{quote(path)}").get("content")
        if not isinstance(found, dict):
            raise ClickFailed("The session's server does not have the notebook.")
        return found

    def kernel(self, name: str = "python3", notebook: str = "") -> str:
        """The id of a new kernel, in the notebook's folder where one is named.

        :raises ClickFailed: none was started.
        """
        asked: dict[str, Any] = {"name": name}
        if notebook:
            asked = {"path": notebook, "name": "", "type": "notebook", "kernel": asked}
        made: Any = self._ask("POST", f"api/{'sessions' if notebook else 'kernels'}", asked)
        made = made.get("kernel") if notebook else made
        found = made.get("id") if isinstance(made, dict) else None
        if not isinstance(found, str) or not re.fullmatch(r"[\w-]{1,64}", found):
            raise ClickFailed("The session's server started no kernel.")
        return found

    def _ask(self, method: str, path: str, given: object = None) -> dict[str, Any]:
        """What the session's server says as a JSON object.

        :raises ClickFailed: it says anything else.
        """

        async def ask() -> tuple[int, bytes]:
            body = bytearray()
            async with (
                self._client() as client,
                client.request(
                    method, self.session_url + path, json=given, headers={"Origin": self.origin}
                ) as answer,
            ):
                async for piece in answer.content.iter_any():
                    body += piece
                    if len(body) > LARGEST:
                        raise ClickFailed("The session's server answered without end.")
                return answer.status, bytes(body)

        status, body = self._in_time(ask(), PATIENCE, "The session's server")
        try:
            found = json.loads(body) if status < 400 else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ClickFailed(f"The session's server answered {status} to {path.split('/')[1]}.")
        return found

    def _client(self) -> aiohttp.ClientSession:
        """A browser that the session's server cannot send elsewhere, nor fill up."""
        import aiohttp  # takes as long to import as all else here, and only sessions need it

        async def refuse(*_: object) -> None:
            raise ClickFailed("The session's server leads to another address.")

        traced = aiohttp.TraceConfig()
        traced.on_request_redirect.append(refuse)
        verify = self.browser.verify
        trusted = ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify
        return aiohttp.ClientSession(
            cookies={cookie.name: cookie.value or "" for cookie in self.browser.cookies},
            headers={**self.host, "Accept-Encoding": "identity"},
            connector=aiohttp.TCPConnector(ssl=True if trusted is None else trusted),
            trace_configs=[traced],
            auto_decompress=False,
        )

    def _in_time(self, work: Coroutine[Any, Any, Found], seconds: float, what: str) -> Found:
        """The work's result.

        :raises ClickFailed: it took longer, or the session cannot be reached.
        """
        import aiohttp

        async def whole() -> Found:
            try:
                return await asyncio.wait_for(work, seconds)
            finally:
                if self.session_url.startswith("https:"):
                    await asyncio.sleep(0.25)  # aiohttp ends a TLS connection only behind `close`

        try:
            with ThreadPoolExecutor(1) as thread:  # whoever calls may have a loop that runs
                return thread.submit(asyncio.run, whole()).result()
        except TimeoutError as error:
            raise ClickFailed(f"{what} took longer than {seconds:.0f} s.") from error
        except aiohttp.ClientError as error:
            said = f"The session's server cannot be reached ({type(error).__name__})."
            raise ClickFailed(said) from error

    def run(self, code: str, *, kernel: str = "", timeout: float = 60.0) -> str:
        """Run code in a kernel over the WebSocket and return what it printed.

        :raises ClickFailed: it raised, or took longer than `timeout`.
        """
        where = kernel or self.kernel()
        try:
            return self._in_time(self._execute(where, code), timeout, "The cell")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ClickFailed("The kernel's messages are none.") from error

    async def _execute(self, kernel: str, code: str) -> str:
        url = f"{self.session_url}api/kernels/{kernel}/channels"
        message_id, said = uuid.uuid4().hex, ""
        header = {"msg_id": message_id, "msg_type": "execute_request", "username": "student"}
        header |= {"session": uuid.uuid4().hex, "version": "5.3", "date": ""}
        request = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": {"code": code, "silent": False, "stop_on_error": True},
            "channel": "shell",
        }
        async with (
            self._client() as client,
            client.ws_connect(url, max_msg_size=LARGEST_MESSAGE) as socket,
        ):
            await socket.send_json(request)
            async for frame in socket:
                if not isinstance(frame.data, str):  # an output with buffers, or one too large
                    continue
                message = json.loads(frame.data)
                if message["parent_header"].get("msg_id") != message_id:
                    continue
                content, kind = message["content"], message["msg_type"]
                if kind == "stream":
                    said = (said + content["text"])[:MOST_SAID]
                elif kind == "error":
                    raised = f"{content['ename']}: {content['evalue']}"[:LONGEST_ERROR]
                    raise ClickFailed(f"The cell raised {raised}")
                elif kind == "execute_result":
                    said = (said + str(content["data"].get("text/plain", "")))[:MOST_SAID]
                elif kind == "status" and content["execution_state"] == "idle":
                    return said
        raise ClickFailed("The kernel's connection closed before the cell's end.")

    def _json(self, answer: requests.Response) -> dict[str, Any]:
        """What the launcher says, in its own words where it is an error."""
        try:
            found: dict[str, Any] = answer.json()
        except ValueError as error:
            raise ClickFailed(f"{answer.url} answered {answer.status_code}.") from error
        if answer.status_code >= 400 and "error" in found:
            said = found["error"]
            raise ClickFailed(said["message"], hint=said.get("hint", ""))
        if answer.status_code >= 400:
            raise ClickFailed(f"{answer.url} answered {answer.status_code}.")
        return found
