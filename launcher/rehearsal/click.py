"""A click as a student's browser makes it, over HTTP: open the link, run the notebook's cell."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from launcher.errors import LaunchError

Say = Callable[[str], None]


class ClickFailed(LaunchError):
    """The click did not end in a notebook with an output."""


@dataclass
class Click:
    """One student's browser: its cookies, and the session it ended in."""

    browser: requests.Session = field(default_factory=requests.Session)
    url: str = ""
    reached: str = ""
    """The server's own address, where its public one does not lead to it from here."""
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
        answer = self.browser.get(link, headers={"Accept": "application/json"}, timeout=30)
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
            answer = self.browser.get(where, params={"since": seen}, timeout=30)

    def _follow_to_session(self) -> None:
        """Go where sessions are, if they have a host name of their own: a redirect lets us in."""
        asked = f"{self.session_url}api/status"
        answer = self.browser.get(asked, allow_redirects=False, timeout=30)
        if not answer.is_redirect:
            return
        there = urlsplit(answer.headers["Location"])
        if self.reached:
            self.host = {"Host": there.netloc}
        else:
            self.url = urlsplit(self.url)._replace(netloc=there.netloc).geturl()
        ticket = f"{self.session_url}api/status?{there.query}"
        self.browser.get(ticket, headers=self.host, allow_redirects=False, timeout=30)

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
        """The notebook as the session serves it."""
        where = f"{self.session_url}api/contents/{path}"
        answer = self.browser.get(where, headers=self.host, timeout=30)
        return dict(self._json(answer)["content"])

    def kernel(self, name: str = "python3", notebook: str = "") -> str:
        """The id of a new kernel, in the notebook's folder where one is named."""
        asked: dict[str, Any] = {"name": name}
        if notebook:
            asked = {"path": notebook, "name": "", "type": "notebook", "kernel": asked}
        answer = self.browser.post(
            f"{self.session_url}api/{'sessions' if notebook else 'kernels'}",
            data=json.dumps(asked),
            headers={"Origin": self.origin, **self.host},
            timeout=60,
        )
        made = self._json(answer)
        return str((made["kernel"] if notebook else made)["id"])

    def run(self, code: str, *, kernel: str = "", timeout: float = 60.0) -> str:
        """Run code in a kernel over the WebSocket and return what it printed.

        :raises ClickFailed: it raised, or took longer than `timeout`.
        """
        where = kernel or self.kernel()

        async def execute() -> str:
            try:
                return await self._execute(where, code)
            finally:
                if self.session_url.startswith("https:"):
                    await asyncio.sleep(0.25)  # aiohttp ends a TLS connection only behind `close`

        try:
            return asyncio.run(asyncio.wait_for(execute(), timeout))
        except TimeoutError as error:
            raise ClickFailed(f"The cell took longer than {timeout:.0f} s.") from error

    async def _execute(self, kernel: str, code: str) -> str:
        import aiohttp  # takes as long to import as all else here, and only this needs it

        cookies = {cookie.name: cookie.value or "" for cookie in self.browser.cookies}
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
            aiohttp.ClientSession(cookies=cookies, headers=self.host) as client,
            client.ws_connect(url, max_msg_size=0, ssl=bool(self.browser.verify)) as socket,
        ):
            await socket.send_json(request)
            async for frame in socket:
                message = json.loads(frame.data)
                if message["parent_header"].get("msg_id") != message_id:
                    continue
                content, kind = message["content"], message["msg_type"]
                if kind == "stream":
                    said += content["text"]
                elif kind == "error":
                    raise ClickFailed(f"The cell raised {content['ename']}: {content['evalue']}")
                elif kind == "execute_result":
                    said += str(content["data"].get("text/plain", ""))
                elif kind == "status" and content["execution_state"] == "idle":
                    return said
        raise ClickFailed("The kernel's connection closed before the cell's end.")

    def _json(self, answer: requests.Response) -> dict[str, Any]:
        try:
            found: dict[str, Any] = answer.json()
        except ValueError as error:
            raise ClickFailed(f"{answer.url} answered {answer.status_code}.") from error
        if answer.status_code >= 400 and "error" in found:
            said = found["error"]
            raise ClickFailed(said["message"], hint=said.get("hint", ""))
        if answer.status_code >= 400:
            raise ClickFailed(f"{answer.url} answered {answer.status_code}: {found}")
        return found
