"""A person's page of an app gets our script; everything else passes byte for byte."""

from __future__ import annotations

import gzip

import pytest

from launcher.gateway.banner import SCRIPT, with_script
from tests.launcher.gateway.conftest import PAGE

HTML = {"Accept": "text/html,application/xhtml+xml", "Accept-Encoding": "gzip"}
TAG = SCRIPT.decode()


@pytest.mark.parametrize("app", ["lab/tree/page", "tree/page", "notebooks/page", "edit/page"])
def test_the_page_of_an_app_carries_the_script_once_and_is_whole(browser, session_url, app):
    answer = browser.get(f"{session_url}{app}", headers=HTML, timeout=30)
    assert answer.content.decode() == PAGE.replace("</head>", f"{TAG}</head>")
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["X-Encoding-Asked"] == "identity"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("api/contents/page", HTML),
        ("files/page", HTML),
        ("proxy/8787/page", HTML),
        ("static/lab/page", HTML),
        ("lab/tree/page", {"Accept": "*/*"}),
        ("lab/tree/page", HTML | {"Sec-Fetch-Dest": "iframe"}),
        ("lab/tree/streamed", HTML),
        ("laboratory/page", HTML),
    ],
)
def test_other_answers_stay_as_they_are(browser, session_url, path, headers):
    answer = browser.get(f"{session_url}{path}", headers=headers, timeout=30)
    assert answer.content.decode() == PAGE


def test_a_packed_answer_stays_packed(browser, session_url):
    answer = browser.get(f"{session_url}lab/packed", headers=HTML, stream=True, timeout=30)
    assert gzip.decompress(answer.raw.read(decode_content=False)) == b"packed" * 100


def test_a_page_of_an_app_by_head_or_post_stays_as_it_is(browser, session_url):
    assert browser.post(f"{session_url}lab/page", headers=HTML, timeout=30).text == PAGE
    assert browser.head(f"{session_url}lab/page", headers=HTML, timeout=30).content == b""


def test_a_page_without_a_head_stays_as_it_is():
    assert with_script(b"<p>no head") == b"<p>no head"
    assert with_script(b"<HEAD></HEAD ><script>'</head>'") == b"<HEAD>" + SCRIPT + (
        b"</HEAD ><script>'</head>'"
    )
