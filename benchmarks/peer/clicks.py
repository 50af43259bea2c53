"""The class at a hub: `clicks.py URL REPO FILE N`, in a process of its own.

Students have logged in before. A click is an nbgitpuller link; each student does what the hub's and
nbgitpuller's pages do. Usable is when the notebook's page and its content both answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import aiohttp

from benchmarks.storm.clicks import Failed, expect


async def log_in(browser: aiohttp.ClientSession, url: str, name: str) -> None:
    async with browser.get(f"{url}hub/login") as page:
        expect(page, 200)
    form = {"username": name, "password": "x", "_xsrf": xsrf(browser, "/hub/")}
    async with browser.post(f"{url}hub/login?next=%2Fhub%2Fhome", data=form) as page:
        expect(page, 200)


async def click(
    browser: aiohttp.ClientSession, url: str, name: str, repo: str, file: str
) -> dict[str, Any]:
    """One student, from the click to the notebook."""
    began = time.perf_counter()
    asked = {"repo": repo, "branch": "main", "urlpath": f"notebooks/{file}"}
    home = f"{url}user/{name}/"
    try:
        link = f"{url}hub/user-redirect/git-pull?{urlencode(asked)}"
        async with browser.get(link) as page:  # the hub's page for a server that starts
            expect(page, 200)
        where = f"{url}hub/api/users/{name}/server/progress?_xsrf={quote(xsrf(browser, '/hub/'))}"
        await follow(browser, where, done=lambda said: bool(said.get("ready")))
        async with browser.get(f"{home}git-pull?{urlencode(asked)}") as page:
            expect(page, 200)
        pull = {"repo": repo, "branch": "main", "targetpath": file.split("/")[0]}
        pull["_xsrf"] = xsrf(browser, f"/user/{name}/")
        await follow(
            browser,
            f"{home}git-pull/api?{urlencode(pull)}",
            done=lambda said: said.get("phase") == "finished",
        )
        async with browser.get(f"{home}notebooks/{file}") as page:
            await page.read()
            expect(page, 200)
        async with browser.get(f"{home}api/contents/{file}") as content:
            expect(content, 200)
            if not (await content.json())["content"]["cells"]:
                raise Failed("the notebook is empty")
    except (Failed, aiohttp.ClientError, KeyError, ValueError) as error:
        return {"usable": 0.0, "error": f"{type(error).__name__}: {error}"}
    return {"usable": time.perf_counter() - began, "error": ""}


async def follow(browser: aiohttp.ClientSession, where: str, *, done: Any) -> None:
    """Read server-sent events until one says that it is done."""
    timeout = aiohttp.ClientTimeout(total=300)
    async with browser.get(where, timeout=timeout, headers={"Accept": "text/event-stream"}) as page:
        expect(page, 200)
        async for line in page.content:
            if not line.startswith(b"data:"):
                continue
            said = json.loads(line[5:])
            if done(said):
                return
            if said.get("failed") or said.get("phase") == "error":
                raise Failed(str(said.get("message"))[:300])
    raise Failed(f"{urljoin(where, '?')} ended before it was done")


def xsrf(browser: aiohttp.ClientSession, path: str) -> str:
    """The token of the cookie that pages below the path set."""
    found = [one for one in browser.cookie_jar if one.key == "_xsrf" and one["path"] == path]
    if not found:
        raise Failed(f"no token was set for {path}")
    return found[0].value


async def storm(url: str, repo: str, file: str, count: int) -> list[dict[str, Any]]:
    """Everybody logs in, then all click at once."""
    browsers = [
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), trust_env=False)
        for _ in range(count)
    ]
    names = [f"s{number}" for number in range(count)]
    try:
        for browser, name in zip(browsers, names, strict=True):
            await log_in(browser, url, name)
        clicks = [
            click(browser, url, name, repo, file)
            for browser, name in zip(browsers, names, strict=True)
        ]
        return list(await asyncio.gather(*clicks))
    finally:
        for browser in browsers:
            await browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.peer.clicks", description=__doc__)
    for name in ("url", "repo", "file"):
        parser.add_argument(name)
    parser.add_argument("students", type=int)
    args = parser.parse_args()
    print(json.dumps(asyncio.run(storm(args.url, args.repo, args.file, args.students))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
