"""The few pages that the gateway itself shows, when the app cannot."""

from __future__ import annotations

import base64
import hashlib
import html

from aiohttp import web

from launcher.gateway.bodies import TooLarge, TooSlow

STYLE = (
    "body{max-width:592px;margin:0 auto;padding:32px 16px;font:16px/24px system-ui,sans-serif}"
    "h1{font-size:28px;line-height:36px}.id{font-size:14px}"
)
"""In the page itself, because the app that has the others' may be away."""
PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>{STYLE.replace("{", "{{").replace("}", "}}")}</style>
{{head}}<title>{{title}}</title></head>
<body><main><h1>{{title}}</h1><p>{{text}}</p>
<p class="id">{{details}}</p></main></body></html>
"""
MARK = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{MARK}'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def starting(request_id: str) -> web.Response:
    """The app is not there (yet, or again)."""
    text = PAGE.format(
        head='<meta http-equiv="refresh" content="2">',
        title="The launcher is starting",
        text="This page reloads by itself. Running notebooks go on meanwhile.",
        details=details("E-503", request_id),
    )
    return web.Response(
        status=503, text=text, content_type="text/html", headers=POLICY | {"Retry-After": "2"}
    )


def lead_to(address: str) -> web.Response:
    """Send a browser on, and let neither side keep or tell where it came from."""
    headers = POLICY | {"Location": address, "Referrer-Policy": "no-referrer"}
    return web.Response(status=303, headers=headers)


def details(code: str, request_id: str, student: str = "") -> str:
    """What somebody who helps asks for; `student` is what they are called on the class board."""
    return html.escape(f"{code}, id {request_id}" + (f", student {student}" if student else ""))


def refused(
    request: web.Request, why: str, request_id: str, *, home: str = "", student: str = ""
) -> web.Response:
    """Somebody who may not enter: a page for people, JSON for programs.

    `home` is where the launcher's pages are, if not at this host name.
    """
    if "text/html" not in request.headers.get("Accept", ""):
        return told(403, "E-OWNER", why, request_id)
    text = PAGE.format(
        head="",
        title="This is not your session",
        text=f"{html.escape(why)} Open the link that you were given, or see "
        f'<a href="{html.escape(home)}/sessions">your own sessions</a>.',
        details=details("E-OWNER", request_id, student),
    )
    return web.Response(status=403, text=text, content_type="text/html", headers=POLICY)


def bad_request(why: str, request_id: str) -> web.Response:
    """No browser sends this; whoever does gets no further."""
    return told(400, "E-400", why, request_id)


def not_here(request: web.Request, home: str, request_id: str) -> web.Response:
    """A page of the launcher, asked for at the sessions' host name."""
    why = f"Only sessions are at this host name; the launcher is at {home}."
    if "text/html" not in request.headers.get("Accept", ""):
        return told(404, "E-404", why, request_id)
    text = PAGE.format(
        head="",
        title="Nothing is here",
        text=f'Only sessions are at this host name. <a href="{html.escape(home)}/">The launcher</a>'
        " is at another.",
        details=details("E-404", request_id),
    )
    return web.Response(status=404, text=text, content_type="text/html", headers=POLICY)


def elsewhere(there: str, request_id: str) -> web.Response:
    """A session, asked for by a script or with a change at another host name than its own."""
    why = f"This session is at {there}. Send this request there."
    return told(403, "E-HOST", why, request_id)


def gave_up(trouble: TooLarge | TooSlow, largest: int, request_id: str) -> web.Response:
    """A body that is too long, or that did not come; the rest of it is not wanted."""
    if isinstance(trouble, TooLarge):
        size = f"{largest / (1 << 20):.0f} MB"
        why = f"What you sent is larger than this server takes ({size}, `web.largest`)."
        response = told(413, "E-413", why, request_id)
    else:
        response = told(
            408, "E-408", "The rest of the request did not come. Try again.", request_id
        )
    response.force_close()
    return response


def too_many_sockets(request_id: str) -> web.Response:
    """A page that opens one WebSocket after the other."""
    why = "This session has too many open connections. Close some of its tabs."
    return told(429, "E-429", why, request_id)


def told(status: int, code: str, why: str, request_id: str) -> web.Response:
    """An error in the form of the app's own."""
    error = {"code": code, "message": why, "request_id": request_id}
    return web.json_response({"error": error}, status=status, headers=POLICY)


def gone(request_id: str) -> web.Response:
    """A session that is not there any more, to a program."""
    why = "This session has stopped. Open its link again to bring it back."
    return told(503, "E-GONE", why, request_id)


def silent(request_id: str) -> web.Response:
    """A session that should answer, to a program."""
    why = "This session does not answer at the moment. Try again."
    response = told(503, "E-SILENT", why, request_id)
    response.headers["Retry-After"] = "2"
    return response
