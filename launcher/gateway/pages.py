"""The few pages that the gateway itself shows, when the app cannot."""

from __future__ import annotations

import html

from aiohttp import web

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
{head}<title>{title}</title>
<h1>{title}</h1><p>{text}</p><p>Id: {request_id}</p></html>
"""
POLICY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def starting(request_id: str) -> web.Response:
    """The app is not there (yet, or again)."""
    text = PAGE.format(
        head='<meta http-equiv="refresh" content="2">',
        title="The launcher is starting",
        text="This page reloads by itself. Running notebooks go on meanwhile.",
        request_id=html.escape(request_id),
    )
    return web.Response(
        status=503, text=text, content_type="text/html", headers=POLICY | {"Retry-After": "2"}
    )


def refused(request: web.Request, why: str, request_id: str) -> web.Response:
    """Somebody who may not enter: a page for people, JSON for programs."""
    if "text/html" not in request.headers.get("Accept", ""):
        return web.json_response(
            {"error": {"code": "E-OWNER", "message": why, "request_id": request_id}},
            status=403,
            headers=POLICY,
        )
    text = PAGE.format(
        head="",
        title="This is not your session",
        text=html.escape(why) + ' Open the link that you were given, or see <a href="/sessions">'
        "your own sessions</a>.",
        request_id=html.escape(request_id),
    )
    return web.Response(status=403, text=text, content_type="text/html", headers=POLICY)


def gone(request_id: str) -> web.Response:
    """A session that does not answer, to a program."""
    return web.json_response(
        {
            "error": {
                "code": "E-GONE",
                "message": "This session has stopped. Open its link again to bring it back.",
                "request_id": request_id,
            }
        },
        status=503,
        headers=POLICY,
    )
