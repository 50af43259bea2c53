"""Pages of other sites, and people who come with a session's token: in, and no further."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import aiohttp
import pytest
import requests

from launcher.gateway import cors, guest, headers
from tests.launcher.gateway.conftest import COURSE, SESSION
from tests.launcher.gateway.test_probes import cookie, raw

EVIL = "https://evil.example"
TOKEN = {"Authorization": "token jupyter-token"}
ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture
def page():
    """A browser without cookies, as a page of another site has it."""
    with requests.Session() as http:
        http.trust_env = False
        yield http


def ask(page, url, origin, wanted="authorization, content-type"):
    """The preflight that a browser sends before a request with a token."""
    sent = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return page.options(url, headers={**sent, "Access-Control-Request-Headers": wanted})


def test_a_page_of_an_allowed_site_may_call_the_session_s_api(page, session_url):
    answer = ask(page, f"{session_url}api/sessions", COURSE)
    assert answer.status_code == 204
    assert answer.headers[ALLOW] == COURSE
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    said = page.post(f"{session_url}api/sessions", headers={**TOKEN, "Origin": COURSE})
    assert (said.status_code, said.headers[ALLOW]) == (200, COURSE)
    assert "Access-Control-Allow-Credentials" not in said.headers
    assert "Origin" in said.headers["Vary"]


def test_a_page_of_any_other_site_may_not(page, session_url):
    answer = ask(page, f"{session_url}api/sessions", EVIL)
    assert answer.status_code == 403
    assert ALLOW not in answer.headers
    assert ALLOW not in page.get(f"{session_url}x", headers={**TOKEN, "Origin": EVIL}).headers


def test_an_allowed_page_without_the_token_is_told_so(page, session_url):
    answer = page.get(f"{session_url}api/status", headers={"Origin": COURSE})
    assert (answer.status_code, answer.headers[ALLOW]) == (403, COURSE)


def test_an_allowed_page_cannot_use_the_owner_s_cookie(browser, session_url):
    assert browser.post(f"{session_url}x", headers={"Origin": COURSE}).status_code == 403


def test_a_strange_preflight_reflects_nothing(page, session_url):
    answer = ask(page, f"{session_url}x", COURSE, wanted="a;b=<c>")
    assert answer.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"


@pytest.mark.parametrize(
    ("path", "origin", "allowed"),
    [
        ("/build/gh/o/r/HEAD", COURSE, COURSE),
        ("/build/gh/o/r/HEAD", EVIL, ""),
        ("/api/repoproviders", COURSE, COURSE),
        ("/versions", EVIL, "*"),
        ("/health", COURSE, COURSE),
        ("/launch", COURSE, ""),
        ("/sessions", COURSE, ""),
        ("/versions2", EVIL, ""),
        ("/", COURSE, ""),
        ("/build/gh/o/r/HEAD", "", ""),
    ],
)
def test_of_the_app_only_what_programs_ask_for_is_shared(path, origin, allowed):
    assert cors.allowed_origin(path, origin, [COURSE]) == allowed


def test_every_site_may_be_allowed():
    assert cors.allowed_origin("/build/gh/o/r/HEAD", "null", ["*"]) == "*"


def test_websockets_open_for_pages_of_allowed_sites_only(session_url):
    async def hello(origin):
        sent = {"Origin": origin} if origin else {}
        async with aiohttp.ClientSession() as client:
            url = f"{session_url}socket?token=jupyter-token"
            async with client.ws_connect(url, headers=sent, protocols=["v1.kernel"]) as socket:
                return json.loads(await socket.receive_str())["token"]

    assert asyncio.run(hello(COURSE)) == "token jupyter-token"
    assert asyncio.run(hello("")) == "token jupyter-token", "programs have no origin"
    with pytest.raises(aiohttp.WSServerHandshakeError):
        asyncio.run(hello(EVIL))


def test_a_person_with_the_token_gets_a_cookie_for_this_session_and_a_clean_address(
    page, session_url, gateway
):
    html = {"Accept": "text/html"}
    where = f"{session_url}lab/tree/a%2Fb?x=1&token=jupyter-token&y"
    answer = page.get(where, headers=html, allow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/s/{SESSION}/lab/tree/a%2Fb?x=1&y"
    said = answer.headers["Set-Cookie"]
    for part in (f"Path=/s/{SESSION}/", "HttpOnly", "SameSite=Lax"):
        assert part in said
    assert "jupyter-token" not in said
    inside = page.get(f"{session_url}lab", headers=html).json()
    assert inside["headers"]["Authorization"] == "token jupyter-token"
    assert "Cookie" not in inside["headers"], "the session never sees it"
    assert page.post(f"{session_url}x", headers={"Origin": EVIL}).status_code == 403
    gateway.client.add_route("cd" * 12, gateway.url, "somebody", "another-token")
    stolen = {"Cookie": f"{guest.COOKIE}={page.cookies[guest.COOKIE]}"}
    _answer, text = raw(session_url, f"/s/{'cd' * 12}/x", headers=stolen)
    assert "somebody else" in text.decode()
    gateway.client.remove_route("cd" * 12)


def test_a_wrong_token_gives_no_cookie(page, session_url):
    answer = page.get(f"{session_url}lab?token=wrong", headers={"Accept": "text/html"})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_an_encoded_spec_reaches_the_app_as_it_was_sent(gateway, secret):
    target = "/v2/git/https%3A%2F%2Fgit.example.org%2Fa%2Fb/feature%2Fx?urlpath=lab%2Ftree%2Fa"
    _answer, text = raw(gateway.url, target, headers=cookie(secret))
    assert json.loads(text)["path"] == target
    assert urlsplit(gateway.url).netloc == json.loads(text)["headers"]["Host"]


def test_a_session_cannot_give_out_the_guest_s_cookie():
    assert headers.names_ours(f" {guest.COOKIE} =stolen")
    assert headers.without_ours([f"a=1; {guest.COOKIE}=x"]) == "a=1"
