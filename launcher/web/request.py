"""What every view needs to know of its request: who asks, under which id, and is it really them.

Whatever changes something is refused here, before any view, unless it comes from our own pages.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Response, abort, current_app, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from launcher import logs
from launcher.gateway.headers import LET_INTO, same_origin
from launcher.people import identity
from launcher.web.rate import client_address

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # A notebook is of this origin, too: it gets no handle of a window that shows our pages
    "Cross-Origin-Opener-Policy": "same-origin",
}

View = TypeVar("View", bound=Callable[..., Any])


def signed_otherwise(view: View) -> View:
    """Mark a view that programs call with a signature of their own, which the view checks."""
    view.signed_otherwise = True  # type: ignore[attr-defined]
    return view


def begin() -> None:
    """Give the request an id, and refuse a change that no page of ours asks for.

    The gateway's id is kept, so that one id is in both logs.
    """
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if re.fullmatch(r"[\w-]{6,64}", given) else secrets.token_hex(8)
    logs.request_id.set(g.request_id)
    logs.session_id.set((request.view_args or {}).get("session_id", ""))
    try:
        request.query_string.decode()
    except UnicodeDecodeError:
        abort(400, "The address is not text in UTF-8. Type it again, or copy it once more.")
    view = current_app.view_functions.get(request.endpoint or "")
    changing = view is not None and request.method not in SAFE_METHODS
    if changing and not has_bearer() and not hasattr(view, "signed_otherwise"):
        check_csrf()


def finish(response: Response) -> Response:
    """Set the headers that every answer carries, and the cookie of a new student."""
    squeeze(response)
    response.headers["X-Request-Id"] = g.get("request_id", "")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    response.headers.update(POLICY)
    who = g.get("new_student") or renamed_student()
    if who and "no-store" in response.headers["Cache-Control"]:  # else others would get it, too
        https = by_https()
        response.set_cookie(
            identity.SECURE_COOKIE if https else identity.COOKIE,
            identity.sign_student(_secret(), who),
            max_age=identity.MAX_AGE,
            httponly=True,
            samesite="Lax",
            secure=https,
        )
    return response


def by_https() -> bool:
    """True where cookies must never go over plain http."""
    return request.is_secure or current_app.config.get("PUBLIC_URL", "").startswith("https://")


def has_bearer() -> bool:
    """True for a program that says with a token who it is: then no cookie counts."""
    return request.headers.get("Authorization", "").lower().startswith("bearer ")


def squeeze(response: Response) -> Response:
    """Send scripts and styles compressed. Only those: no length may tell what a page holds."""
    is_text = response.mimetype in ("text/css", "text/javascript", "image/svg+xml")
    if (
        (request.endpoint or "").rpartition(".")[2] == "static"
        and response.status_code == 200
        and is_text
        and request.accept_encodings["gzip"] > 0
    ):
        response.direct_passthrough = False
        response.set_data(gzip.compress(response.get_data(), mtime=0))
        response.headers["Content-Encoding"] = "gzip"
        response.vary.add("Accept-Encoding")
        response.set_etag(response.get_etag()[0] or "", weak=True)
    return response


def asker(trusted: Sequence[str]) -> str:
    """The network address that asks, behind proxies that are trusted; see `client_address`."""
    forwarded = request.headers.get("X-Forwarded-For", request.remote_addr or "")
    return client_address(forwarded, trusted)


def known_student() -> str | None:
    """The student whose signed cookie came along, or None."""
    if has_bearer():
        return None
    apart = by_https() and bool(current_app.config.get("SESSIONS_URL"))
    return identity.find_student(_secret(), request.cookies, only_secure=apart)


def renamed_student() -> str | None:
    """The student of a cookie from before https, who gets the one of https."""
    if not by_https() or identity.SECURE_COOKIE in request.cookies:
        return None
    return known_student()


def is_let_into(session_id: str) -> bool:
    """True where the gateway let the browser into the session, at a host name without cookies."""
    return request.headers.get(LET_INTO) == session_id


def student() -> str:
    """The student who asks; somebody new gets an identity with the answer."""
    known = known_student() or g.get("new_student")
    if not known:
        known = g.new_student = identity.new_student()
    return known


def board_code() -> str:
    """What the student who asks is called on the class board; empty for nobody."""
    known = known_student()
    return identity.code_of(_secret(), known) if known else ""


def login_cookie() -> str:
    """Its name: by https one that no notebook's script can put another in the place of."""
    return f"__Host-{identity.LOGIN_COOKIE}" if by_https() else identity.LOGIN_COOKIE


def in_a_window() -> bool:
    """False for what a script fetches, as far as the browser says (by https, and on localhost).

    A notebook's script is of this origin. It can fetch any page of ours and read it, but not one
    that a window shows: so only those are for people who signed in.
    """
    return request.headers.get("Sec-Fetch-Dest", "document") == "document"


def csrf_token() -> str:
    """What a form of ours must send back; it belongs to the cookies of who asks."""
    return _csrf(student(), _login() if in_a_window() else "")


def check_csrf() -> None:
    """Refuse a changing request that does not come from one of our own forms or scripts."""
    given = request.form.get("csrf") or request.headers.get("X-CSRF-Token", "")
    who = known_student()
    if not who or not is_own_token(given, who):
        abort(403, "The form is not from this page. Go back, reload and try again.")
    if not from_here():
        abort(403, "The form is not from this site. Open it here and try again.")


def is_own_token(given: str, who: str) -> bool:
    """In a window, of this very sign-in: what scripts are given does nothing for who signed in."""
    good = [_csrf(who, _login())]
    if not in_a_window():
        good.append(_csrf(who, ""))
    return any(hmac.compare_digest(given.encode(), one.encode()) for one in good)


def from_here() -> bool:
    """False where the browser says that another site's page asks. Programs say nothing."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("Origin")
    own = urlsplit(current_app.config["PUBLIC_URL"]).netloc
    hosts = (own, request.headers.get("X-Forwarded-Host") or request.host)
    return origin is None or any(same_origin(origin, host) for host in hosts)


def carry(sentences: list[str]) -> str:
    """Sentences for the page that a form leads to, signed: nobody else can put words on it."""
    return str(_carrier().dumps([sentence[:300] for sentence in sentences[:10]]))


def carried(text: str) -> list[str]:
    """What `carry` made in the last minutes, or nothing."""
    try:
        return list(_carrier().loads(text, max_age=600))
    except BadSignature:
        return []


def _carrier() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_secret(), salt=f"done {known_student()}")


def moment(seconds: float) -> str:
    """A time for people, with how long ago it was."""
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    ago = time.time() - seconds
    units = [unit for unit in ((86400, "day"), (3600, "hour"), (60, "minute")) if ago >= unit[0]]
    if not units:
        return f"{at} (just now)"
    size, word = units[0]
    count = int(ago // size)
    return f"{at} ({count} {word}{'' if count == 1 else 's'} ago)"


def day(seconds: float) -> str:
    """The day of a time, for people."""
    return time.strftime("%A %Y-%m-%d", time.localtime(seconds))


def clock(seconds: float) -> str:
    """A time to come, for people, on this machine's clock."""
    return time.strftime("%a %Y-%m-%d %H:%M %Z", time.localtime(seconds))


def wants_json() -> bool:
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    return best == "application/json"


def _login() -> str:
    return request.cookies.get(login_cookie(), "")


def _csrf(who: str, login: str) -> str:
    said = f"csrf {who} {login}".encode("utf-8", "surrogateescape")
    return hmac.new(_secret(), said, hashlib.sha256).hexdigest()


def _secret() -> bytes:
    secret: bytes = current_app.config["SECRET"]
    return secret
