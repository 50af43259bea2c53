"""The class: `clicks.py LINK FILE N`, N students who click at once, in a process of its own.

Each has cookies of its own and does what the waiting page does. Usable is when the notebook's page
and its content both answered. One line of JSON says how each student fared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

PAUSE, SLOWER, LONGEST = 0.25, 1.3, 2.0
"""As `waiting.js` has them."""


@dataclass
class Click:
    """How one student fared."""

    usable: float = 0.0
    """Seconds from the click."""
    kernel: float = 0.0
    """Seconds more until a kernel was made; 0 where none was asked for."""
    places: list[str] = field(default_factory=list)
    """What the student was told in line, each sentence once."""
    error: str = ""


@dataclass
class Class:
    """All who click, and when those who were served go away again."""

    link: str
    file: str
    kernels: bool
    room: int = 0
    """With room for so many, they stay until all others have a place in line."""
    students: int = 0
    served: int = 0
    queued: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        if self.served >= self.room and self.served + self.queued >= self.students:
            self.full.set()


class Failed(Exception):
    """The click did not end in a notebook."""


async def click(school: Class) -> Click:
    """One student, from the click to the end."""
    found = Click()
    jar = aiohttp.CookieJar(unsafe=True)  # the address has no name
    async with aiohttp.ClientSession(cookie_jar=jar, trust_env=False) as browser:
        began = time.perf_counter()
        waits = False
        try:
            url = await opened(browser, school, found)
            session = "/".join(url.split("/")[:5]) + "/"
            async with browser.get(url) as page:
                await page.read()
                expect(page, 200)
            async with browser.get(f"{session}api/contents/{school.file}") as content:
                expect(content, 200)
                if not (await content.json())["content"]["cells"]:
                    raise Failed("the notebook is empty")
            found.usable = time.perf_counter() - began
            if school.kernels:
                await start_kernel(browser, session)
                found.kernel = time.perf_counter() - began - found.usable
            waits = bool(found.places)
            school.served += 1
            school.queued -= waits
            school.look()
            if school.room:
                await school.full.wait()
                await leave(browser, url)
        except (Failed, aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
            found.error = f"{type(error).__name__}: {error}"
    return found


async def opened(browser: aiohttp.ClientSession, school: Class, found: Click) -> str:
    """The notebook's address, by the waiting page where there is one."""
    headers = {"Accept": "text/html", "Sec-Fetch-Dest": "document"}
    async with browser.get(school.link, headers=headers, allow_redirects=False) as answer:
        text = await answer.text()
        if answer.status == 303:
            return answer.headers["Location"]
        expect(answer, 200)
    launch = re.search(r'data-launch="(\w+)" data-cursor="(\d+)"', text)
    if not launch:
        raise Failed("neither a notebook nor a waiting page")
    pause, cursor = PAUSE, int(launch[2])
    while True:
        await asyncio.sleep(pause)
        where = urljoin(school.link, f"/api/launches/{launch[1]}?since={cursor}")
        async with browser.get(where) as answer:
            expect(answer, 200)
            said = await answer.json()
        cursor, pause = said["cursor"], min(pause * SLOWER, LONGEST)
        if said["error"]:
            raise Failed(said["error"]["message"])
        place = (said.get("queue") or {}).get("place")
        if place and place not in found.places:
            school.queued += not found.places
            found.places.append(place)
            school.look()
        if said["url"]:
            return str(said["url"])


async def start_kernel(browser: aiohttp.ClientSession, session: str) -> None:
    headers = {"Origin": session.split("/s/")[0], "Content-Type": "application/json"}
    async with browser.post(f"{session}api/kernels", data=b"{}", headers=headers) as answer:
        expect(answer, 201)


async def leave(browser: aiohttp.ClientSession, url: str) -> None:
    """Stop the session, as the button on the student's page does."""
    async with browser.get(urljoin(url, "/api/sessions")) as answer:
        expect(answer, 200)
        csrf = (await answer.json())["csrf"]
    where = urljoin(url, f"/sessions/{urlsplit(url).path.split('/')[2]}/stop")
    async with browser.post(where, data={"csrf": csrf}, allow_redirects=False) as answer:
        expect(answer, 303)


def expect(answer: aiohttp.ClientResponse, status: int) -> None:
    if answer.status != status:
        raise Failed(f"{answer.method} {answer.url.path} answered {answer.status}")


async def storm(school: Class, timeout: float) -> dict[str, Any]:
    """Everybody at once."""
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.storm.health", school.link),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    if asking.stdout is None or not await asking.stdout.readline():
        raise SystemExit("/healthz does not answer")
    clicks = [asyncio.wait_for(click(school), timeout) for _ in range(school.students)]
    found = await asyncio.gather(*clicks, return_exceptions=True)
    slowest, _ = await asking.communicate(b"")  # with none, Python 3.11 leaves its input open
    rows = [one if isinstance(one, Click) else Click(error=repr(one)) for one in found]
    return {"clicks": [asdict(row) for row in rows], "health": float(slowest)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.storm.clicks", description=__doc__)
    parser.add_argument("link")
    parser.add_argument("file")
    parser.add_argument("students", type=int)
    parser.add_argument("--room", type=int, default=0)
    parser.add_argument("--kernels", action="store_true")
    parser.add_argument("--timeout", type=float, default=900)
    args = parser.parse_args()
    school = Class(args.link, args.file, args.kernels, args.room, args.students)
    print(json.dumps(asyncio.run(storm(school, args.timeout))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
