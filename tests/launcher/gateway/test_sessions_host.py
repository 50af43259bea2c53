"""Sessions at a host name of their own: nothing of the launcher there, and no session here."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from urllib.parse import urlsplit

import aiohttp
import pytest

from launcher.config import load_config
from launcher.doctor import network
from launcher.errors import BadSettings
from launcher.gateway import guest, tickets
from launcher.gateway.process import ensure_gateway, is_as_asked
from launcher.gateway.sessions_host import SessionsHost
from launcher.machine.ports import free_port
from launcher.people import identity
from launcher.settings.values import host_name
from tests.launcher.gateway.conftest import COURSE, OWNER, PAGE, SESSION
from tests.launcher.gateway.test_probes import cookie, raw

HOME, THERE = "http://class.example.test", "http://sessions.example.test"
BOTH = {"public_url": HOME, "sessions_url": THERE}
HTML = {"Accept": "text/html"}
LAB = f"/s/{SESSION}/lab/tree/a%2Fb?x=1"
OTHER, DEAD = "cd" * 12, "ef" * 12
SCRIPT = {"Sec-Fetch-Dest": "empty"}


def settings(folder, **more):
    return load_config(
        data=str(folder),
        listen=f"127.0.0.1:{free_port()}",
        log__format="text",
        web__origins=[COURSE],
        **BOTH | more,
    )


class Two:
    """A gateway with two host names, asked for either of them."""

    def __init__(self, config, backend):
        self.config, self.secret = config, identity.load_secret(config.data)
        self.gateway = ensure_gateway(config, self.secret)
        self.gateway.client.set_app(backend.url)
        self.gateway.client.add_route(SESSION, backend.url, OWNER, "jupyter-token")
        self.gateway.client.add_route(OTHER, backend.url, "somebody", "another-token")
        self.gateway.client.add_route(DEAD, "http://127.0.0.1:9", OWNER, "dead-token")
        self.owner = cookie(self.secret)

    def ask(self, site, path, headers=None, *, method="GET"):
        named = {"Host": urlsplit(site).netloc, **(headers or {})}
        return raw(self.gateway.url, path, method=method, headers=named)

    def ticket(self, path=LAB):
        """The address at the sessions' host that the owner is sent to."""
        answer, _ = self.ask(HOME, path, self.owner)
        assert answer.status == 303
        return answer.headers["Location"].removeprefix(THERE)

    def guest(self, path=LAB):
        """The cookie that a ticket brings."""
        answer, _ = self.ask(THERE, self.ticket(path))
        return {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}


@pytest.fixture(scope="module")
def two(tmp_path_factory, backend):
    running = Two(settings(tmp_path_factory.mktemp("two")), backend)
    yield running
    running.gateway.stop()


def test_the_owner_comes_from_the_launcher_by_a_ticket_to_a_clean_address(two):
    answer, _ = two.ask(HOME, LAB, two.owner | HTML)
    where, _, number = answer.headers["Location"].partition(f"&{tickets.NAME}=")
    assert (answer.status, where) == (303, THERE + LAB)
    assert len(number) > 40
    secrets = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    assert secrets.items() <= dict(answer.headers).items()
    assert "Set-Cookie" not in answer.headers
    answer, _ = two.ask(THERE, f"{LAB}&{tickets.NAME}={number}", HTML)
    assert (answer.status, answer.headers["Location"]) == (303, LAB)
    assert secrets.items() <= dict(answer.headers).items()
    given = answer.headers["Set-Cookie"]
    for part in (f"Path=/s/{SESSION}/", "HttpOnly", "SameSite=Lax"):
        assert part in given
    answer, text = two.ask(THERE, LAB, {"Cookie": given.partition(";")[0]} | HTML)
    seen = json.loads(text)
    assert (answer.status, seen["path"]) == (200, LAB)
    assert seen["headers"]["Authorization"] == "token jupyter-token"
    assert "Cookie" not in seen["headers"]


@pytest.mark.parametrize(("ending", "clean"), [("", "/"), ("?x=1", "/?x=1")])
def test_an_address_without_its_last_slash_gets_one_so_that_the_cookie_comes_back(
    two, ending, clean
):
    answer, _ = two.ask(THERE, two.ticket(f"/s/{SESSION}{ending}"))
    assert answer.headers["Location"] == f"/s/{SESSION}{clean}"
    where = f"/s/{SESSION}?token=jupyter-token"
    assert two.ask(THERE, where, HTML)[0].headers["Location"] == f"/s/{SESSION}/"


def test_a_used_ticket_leads_back_for_a_new_one(two):
    used = two.ticket()
    two.ask(THERE, used)
    answer, _ = two.ask(THERE, used, HTML)
    assert (answer.headers["Location"], answer.headers["Set-Cookie"]) == (LAB, None)
    answer, _ = two.ask(THERE, LAB, HTML)
    assert (answer.status, answer.headers["Location"]) == (303, HOME + LAB)


@pytest.mark.parametrize("number", ["forged", "%00", "%ff", "a" * 2000])
def test_a_forged_ticket_opens_nothing(two, number):
    answer, _ = two.ask(THERE, f"{LAB}&{tickets.NAME}={number}")
    assert (answer.headers["Location"], answer.headers["Set-Cookie"]) == (LAB, None)


def test_a_parameter_spelled_otherwise_does_not_lead_in_circles(two):
    answer, _ = two.ask(THERE, f"{LAB}&launcher%5Fticket=forged")
    assert answer.headers["Location"] == LAB


def test_a_ticket_opens_its_own_session_only(two):
    number = two.ticket().partition(f"{tickets.NAME}=")[2]
    answer, _ = two.ask(THERE, f"/s/{OTHER}/lab?{tickets.NAME}={number}")
    assert (answer.headers["Location"], answer.headers["Set-Cookie"]) == (f"/s/{OTHER}/lab", None)


def test_a_stranger_gets_no_ticket(two):
    for who in ({}, cookie(two.secret, "f" * 20), {"Cookie": f"{identity.COOKIE}=forged"}):
        answer, text = two.ask(HOME, LAB, who | HTML)
        assert answer.status == 403
        assert "This session belongs to somebody else." in text.decode()
        assert "Location" not in answer.headers


@pytest.mark.parametrize("host", ["sessions.example.test:99", "SESSIONS.example.test."])
@pytest.mark.parametrize(
    "path", ["/", "/sessions", "/login", "/launch?env=x", "/api/sessions", "/healthz", "/static/x",
             "/static/notices.js/", "//s/x", "/api/sessions/ab/notices", "/favicon.ico"]
)  # fmt: skip
def test_nothing_of_the_launcher_is_at_the_sessions_host(two, path, host):
    for method in ("GET", "POST"):
        answer, text = two.ask(f"http://{host}", path, two.owner | HTML, method=method)
        assert answer.status == 404
        assert f'href="{HOME}/"' in text.decode()


def test_its_pages_get_the_script_and_ask_for_their_notices_there(two):
    mine = two.guest()
    _, text = two.ask(THERE, f"/s/{SESSION}/lab/page", mine | HTML)
    tag = f'<script src="/static/notices.js" data-home="{HOME}" defer></script>'
    assert text.decode() == PAGE.replace("</head>", f"{tag}</head>")
    _, text = two.ask(THERE, "/static/notices.js")
    assert json.loads(text)["path"] == "/static/notices.js"
    lies = {"X-Launcher-Let-Into": OTHER}
    _, text = two.ask(THERE, f"/s/{SESSION}/_launcher/notices", mine | lies)
    seen = json.loads(text)["headers"]
    assert seen["X-Launcher-Let-Into"] == SESSION
    assert "Cookie" not in seen
    for path in (f"/s/{OTHER}/_launcher/notices", f"/s/{'12' * 12}/_launcher/notices"):
        assert two.ask(THERE, path, mine | two.owner)[0].status == 404
    _, text = two.ask(HOME, "/api/sessions", lies)
    assert "X-Launcher-Let-Into" not in json.loads(text)["headers"]


def test_the_student_s_cookie_opens_no_session_at_the_sessions_host(two):
    answer, _ = two.ask(THERE, LAB, two.owner | SCRIPT)
    assert answer.status == 403


def test_a_cookie_of_one_session_opens_no_other(two):
    assert two.ask(THERE, f"/s/{OTHER}/x", two.guest() | SCRIPT)[0].status == 403


def test_a_cookie_that_a_page_put_before_ours_shuts_nobody_out(two):
    mine = two.guest()["Cookie"]
    for both in (f"{guest.COOKIE}=junk; {mine}", f"{mine}; {guest.COOKIE}=\xe9"):
        assert two.ask(THERE, LAB, {"Cookie": both.encode("latin-1")} | SCRIPT)[0].status == 200


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {}),
        ("DELETE", {}),
        ("GET", SCRIPT),
        ("GET", {"Sec-Fetch-Dest": "iframe"}),
        ("GET", {"Sec-Fetch-Dest": "image"}),
        ("GET", {"Upgrade": "websocket", "Connection": "Upgrade"}),
        ("POST", {"Authorization": "token jupyter-token"}),
    ],
)
def test_no_session_answers_at_the_launcher_s_host(two, method, headers):
    answer, text = two.ask(HOME, LAB, two.owner | headers, method=method)
    assert (answer.status, json.loads(text)["error"]["code"]) == (403, "E-HOST")
    assert THERE in text.decode()


def test_a_token_goes_on_working_at_the_sessions_host_and_is_sent_there(two):
    answer, _ = two.ask(THERE, LAB, {"Authorization": "token jupyter-token"}, method="PUT")
    assert answer.status == 200
    lab = f"/s/{SESSION}/lab?token=jupyter-token"
    answer, _ = two.ask(HOME, lab, HTML)
    assert answer.headers["Location"] == THERE + lab
    answer, _ = two.ask(THERE, lab, HTML)
    assert answer.headers["Location"] == f"/s/{SESSION}/lab"
    assert guest.COOKIE in answer.headers["Set-Cookie"]


def test_a_page_of_an_allowed_site_uses_the_session_there_with_its_token(two):
    asks = {"Origin": COURSE, "Access-Control-Request-Method": "POST"}
    answer, _ = two.ask(THERE, f"/s/{SESSION}/api/sessions", asks, method="OPTIONS")
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, COURSE)
    sent = {"Origin": COURSE, "Authorization": "token jupyter-token"}
    for site, status in ((THERE, 200), (HOME, 403)):
        answer, _ = two.ask(site, f"/s/{SESSION}/api/sessions", sent, method="POST")
        assert (site, answer.status) == (site, status)


def test_pages_of_other_sites_the_launcher_s_among_them_change_nothing(two):
    mine = two.guest()
    for origin, status in ((HOME, 403), ("null", 403), (COURSE, 403), (THERE, 200)):
        answer, _ = two.ask(THERE, f"/s/{SESSION}/x", mine | {"Origin": origin}, method="POST")
        assert (origin, answer.status) == (origin, status)


def test_websockets_open_for_the_sessions_own_pages(two):
    async def hello(origin):
        sent = two.guest() | {"Origin": origin, "Host": urlsplit(THERE).netloc}
        url = f"{two.gateway.url}/s/{SESSION}/socket"
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(url, headers=sent) as socket,
        ):
            return json.loads(await socket.receive_str(timeout=30))["token"]

    assert asyncio.run(hello(THERE)) == "token jupyter-token"
    with pytest.raises(aiohttp.WSServerHandshakeError):
        asyncio.run(hello(HOME))


def test_a_session_that_is_gone_is_explained_by_the_launcher(two):
    path = f"/s/{'12' * 12}/lab"
    answer, _ = two.ask(THERE, path, HTML)
    assert answer.headers["Location"] == HOME + path
    _, text = two.ask(HOME, path, two.owner)
    assert json.loads(text)["path"] == path, "the app answers"
    answer, text = two.ask(THERE, path, SCRIPT)
    assert (answer.status, json.loads(text)["error"]["code"]) == (503, "E-GONE")


def test_one_that_does_not_answer_leads_to_the_launcher_and_not_in_circles(two):
    mine = two.guest(f"/s/{DEAD}/lab")
    answer, _ = two.ask(THERE, f"/s/{DEAD}/lab", mine | HTML)
    assert answer.headers["Location"] == f"{HOME}/sessions/{DEAD}/gone"
    assert two.ask(THERE, f"/s/{DEAD}/api/status", mine | SCRIPT)[0].status == 503


def test_behind_a_trusted_proxy_the_name_is_what_the_proxy_says(tmp_path, backend):
    two = Two(settings(tmp_path, trusted_proxies=["127.0.0.1"]), backend)
    try:
        named = {"X-Forwarded-Host": f"{urlsplit(HOME).netloc}, {urlsplit(THERE).netloc}"}
        assert two.ask(HOME, "/sessions", named)[0].status == 404
        named = {"X-Forwarded-Host": urlsplit(HOME).netloc}
        assert two.ask(THERE, "/sessions", named)[0].status == 200
    finally:
        two.gateway.stop()


def test_by_https_no_cookie_counts_that_a_session_could_set(tmp_path, backend):
    both = {name: url.replace("http:", "https:") for name, url in BOTH.items()}
    two = Two(settings(tmp_path, **both), backend)
    try:
        assert two.ask(HOME, LAB, two.owner)[0].status == 403
        signed = two.owner["Cookie"].replace(identity.COOKIE, identity.SECURE_COOKIE)
        assert two.ask(HOME, LAB, {"Cookie": signed})[0].status == 303
    finally:
        two.gateway.stop()


def test_a_stranger_s_word_for_the_name_does_not_count(two):
    named = {"X-Forwarded-Host": urlsplit(HOME).netloc}
    assert two.ask(THERE, "/sessions", named)[0].status == 404


@pytest.mark.parametrize("name", ["sessions_url", "public_url"])
def test_a_gateway_that_runs_with_another_name_is_not_taken_over(two, name):
    other = replace(two.config, **{name: "http://other.example.test"})
    assert not is_as_asked(other, two.gateway.client.announced())
    assert is_as_asked(two.config, two.gateway.client.announced())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sessions_url": "http://CLASS.example.test.:8080"}, "has the host name of `public_url`"),
        ({"sessions_url": "https://sessions.example.test"}, "must both be https, or both http"),
        ({"sessions_url": "sessions.example.test"}, "is not an address"),
        ({"sessions_url": "http://sessions.example.test/s"}, "has a path"),
        ({"listen": "127.0.0.1:0"}, "needs a fixed port"),
    ],
)
def test_a_name_that_keeps_nothing_apart_is_refused(tmp_path, given, said):
    with pytest.raises(BadSettings, match="sessions_url") as refused:
        load_config(**BOTH | given)
    assert said in str(refused.value)


@pytest.fixture(scope="module")
def each(tmp_path_factory, backend):
    """A gateway at which each session has a name to itself."""
    every = {"sessions_url": "http://*.example.test"}  # the launcher's own name is one of those
    running = Two(settings(tmp_path_factory.mktemp("each"), **every), backend)
    yield running
    running.gateway.stop()


def test_each_session_may_have_a_name_to_itself(each):
    there = f"http://{SESSION}.example.test"
    answer, _ = each.ask(HOME, LAB, each.owner | HTML)
    where, _, number = answer.headers["Location"].partition(f"&{tickets.NAME}=")
    assert where == there + LAB
    answer, _ = each.ask(there, f"{LAB}&{tickets.NAME}={number}")
    assert answer.headers["Location"] == LAB
    mine = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
    assert json.loads(each.ask(there, LAB, mine | HTML)[1])["path"] == LAB
    notices = f"/s/{SESSION}/_launcher/notices"
    assert each.ask(there, notices, mine | SCRIPT)[0].status == 200
    assert each.ask(there, "/sessions")[0].status == 404
    for other in (OTHER, "www"):
        site = f"http://{other}.example.test"
        for path in (LAB, notices):
            answer, text = each.ask(site, path, mine | SCRIPT)
            assert (answer.status, json.loads(text)["error"]["code"]) == (403, "E-HOST")
            assert there in text.decode()
            assert each.ask(site, path, mine)[0].headers["Location"] == HOME + path
        token = {"Authorization": "token jupyter-token"}
        assert each.ask(site, f"/s/{SESSION}/x", token, method="PUT")[0].status == 403
    assert each.ask(HOME, "/sessions")[0].status == 200, "that is the launcher's own"


def test_a_name_that_only_ends_alike_is_not_one_of_the_sessions():
    hosts = SessionsHost("https://*.example.test", HOME)
    assert hosts.is_for_sessions("a.example.test:443")
    assert not hosts.is_for_sessions("a-example.test")
    assert not hosts.is_for_sessions("example.test")


@pytest.mark.parametrize(
    "url",
    [
        "http://*",
        "http://*.",
        "http://a.*.test",
        "http://*x.test",
        "http://*.*.test",
        "http://**.t",
    ],
)
def test_a_star_stands_for_the_first_part_of_a_name_only(url):
    with pytest.raises(BadSettings, match="sessions_url"):
        load_config(public_url=HOME, sessions_url=url)


def test_a_websocket_of_the_doctor_goes_through_each_kind_of_name(two, each, monkeypatch):
    monkeypatch.setattr(network, "PATIENCE", 60.0)
    for running in (two, each):
        url, named = running.gateway.url, running.config.sessions_url
        assert network.websocket_through(running.gateway.client, url, named=named) is None
        assert "403" in str(network.websocket_through(running.gateway.client, url))


def test_host_names_are_compared_as_browsers_do():
    assert host_name("A.example.:80") == host_name("a.EXAMPLE") == "a.example"
    assert host_name("[::1]:80") == "::1"
    assert host_name("") == host_name("[") == ""
