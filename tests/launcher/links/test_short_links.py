"""Short links: what they mean can be changed after they were shared, and nothing is forgotten."""

from __future__ import annotations

import threading
import time
import xml.etree.ElementTree as ET

import pytest
from flask import Flask

from launcher.database import Database
from launcher.links.short_links import BadShortLink, NoShortLink, ShortLinks, check_open, span
from launcher.web import errors, go, request
from link_generator.link import Link

WEEK1 = Link("intro", "v1", repo="https://h.org/a/b", path="week1.ipynb")
WEEK2 = Link("intro", "v1", repo="https://h.org/a/b", path="week2.ipynb")


@pytest.fixture
def links(tmp_path):
    return ShortLinks(Database.of(tmp_path))


@pytest.fixture
def client(links):
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=b"x", PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(go.create_blueprint(links))
    errors.register(app)
    return app.test_client()


def test_a_click_goes_where_the_link_means_now(links, client):
    links.save("week-1", WEEK1)
    first = client.get("/go/week-1")
    assert first.status_code == 302
    assert first.headers["Location"] == (
        "/launch?env=intro@v1&repo=https://h.org/a/b&path=week1.ipynb"
    )
    assert first.headers["Cache-Control"] == "no-store"
    links.save("week-1", WEEK2)
    assert "week2.ipynb" in client.get("/go/WEEK-1").headers["Location"]
    assert [one.what for one in links.get("week-1").history] == ["made", "changed"]
    assert "week1.ipynb" in links.get("week-1").history[0].link
    assert links.get("week-1").meaning == WEEK2


def test_before_and_after_its_time_it_says_when(links, client):
    now = time.time()
    links.save("exam", WEEK1, title="Exam", opens=now + 90_000, closes=now + 100_000)
    answer = client.get("/go/exam", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "E-CLOSED")
    assert answer.json["error"]["message"].startswith("Exam opens ")
    assert "1 day 1 hour from now" in answer.json["error"]["message"]
    links.save("exam", WEEK1, opens=now - 200, closes=now - 100)
    assert "closed" in client.get("/go/exam").text
    assert "My sessions" in client.get("/go/exam").text
    links.save("exam", WEEK1, opens=now - 200, closes=now + 100)
    assert client.get("/go/exam").status_code == 302


def test_a_closed_link_says_so_until_it_is_opened_again(links, client):
    links.save("week-1", WEEK1)
    links.enable("week-1", enabled=False)
    assert client.get("/go/week-1").status_code == 403
    links.save("week-1", WEEK2)
    assert client.get("/go/week-1").status_code == 403, "a repair does not open it"
    links.enable("week-1", enabled=True)
    assert client.get("/go/week-1").status_code == 302


def test_a_misspelt_name_shows_what_is_near(links, client):
    links.save("week-1", WEEK1)
    answer = client.get("/go/week-l")
    assert answer.status_code == 404
    assert "week-1" in answer.text
    hostile = client.get("/go/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert "<script>alert" not in hostile.text


@pytest.mark.parametrize("slug", ["", "../x", "a/b", "A b", "-x", "x-", "x" * 61, ".lock", "ü"])
def test_what_no_file_should_be_called_is_no_name(links, slug):
    with pytest.raises(BadShortLink):
        links.save(slug, WEEK1)
    assert links.find(slug) is None
    with pytest.raises(NoShortLink):
        links.get(slug)


def test_times_in_the_wrong_order_are_refused(links):
    with pytest.raises(BadShortLink, match="close before it opens") as refused:
        links.save("x", WEEK1, opens=200, closes=100)
    assert refused.value.field == "closes"


def test_what_a_text_puts_after_a_link_is_no_part_of_its_name(links):
    links.save("week-1", WEEK1)
    for told in ("week-1.", "Week-1),", "week-1>", 'week-1".'):
        assert links.get(told).slug == "week-1"
    assert links.find("week-1-") is None


@pytest.mark.parametrize(
    ("change", "word"),
    [({}, "open"), ({"opens": 9e9}, "opens later"), ({"closes": 5.0}, "closed")],
)
def test_the_badge_shows_the_state(links, client, change, word):
    links.save("week-1", WEEK1, **change)
    picture = client.get("/badge/week-1.svg")
    assert picture.content_type == "image/svg+xml"
    assert ET.fromstring(picture.text).get("aria-label") == f"launch: {word}"
    assert "unknown" in client.get("/badge/none.svg").text


def test_changes_at_the_same_time_are_all_in_the_history(links):
    links.save("x", WEEK1)
    threads = [threading.Thread(target=links.save, args=("x", WEEK2)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(links.get("x").history) == 9


def test_an_open_link_is_let_through_and_lengths_of_time_are_words(links):
    check_open(links.save("x", WEEK1), time.time())
    assert [span(s) for s in (5, 90, 3600, 86400 * 2 + 3700)] == [
        "1 minute", "2 minutes", "1 hour", "2 days 1 hour"
    ]  # fmt: skip
