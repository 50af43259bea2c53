"""Scripts and styles are sent compressed; pages, whose length could tell a secret, are not."""

from __future__ import annotations

import gzip

import pytest
from flask import Flask

from launcher.web import request
from link_generator import page

ZIPPED = {"Accept-Encoding": "br, gzip;q=0.8"}


@pytest.fixture
def browser():
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=b"k" * 32, PUBLIC_URL="https://me.org")
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(page.create_blueprint(public_url="https://me.org", catalogue={}))
    return app.test_client()


@pytest.mark.parametrize("path", ["/static/site.css", "/link_generator/generator.js"])
def test_a_file_is_the_same_in_a_third_of_the_bytes(browser, path):
    plain = browser.get(path, buffered=True)
    small = browser.get(path, headers=ZIPPED, buffered=True)
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert small.headers["Vary"] == "Accept-Encoding"
    assert int(small.headers["Content-Length"]) == len(small.data) < len(plain.data) / 2.5
    assert gzip.decompress(small.data) == plain.data


def test_one_that_the_browser_has_is_not_sent_again(browser):
    known = browser.get("/static/site.css", headers=ZIPPED, buffered=True).headers["ETag"]
    again = browser.get(
        "/static/site.css", headers=ZIPPED | {"If-None-Match": known}, buffered=True
    )
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "gzip;q=0"}])
def test_a_browser_that_wants_none_gets_plain_files(browser, headers):
    assert browser.get("/static/site.css", headers=headers, buffered=True).data.startswith(b"/*")


def test_pages_and_answers_are_plain(browser):
    for path in ("/", "/api/link?env=gh/o/e", "/static/none.css"):
        assert "Content-Encoding" not in browser.get(path, headers=ZIPPED, buffered=True).headers
