"""What every view needs to know of its request: who asks, under which id, and is it really them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time

from flask import Response, abort, current_app, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from launcher import identity, logs

TWO_YEARS = 2 * 365 * 24 * 3600


def begin() -> None:
    """Give the request an id; the gateway's is kept, so that one id is in both logs."""
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if re.fullmatch(r"[\w-]{6,64}", given) else secrets.token_hex(8)
    logs.request_id.set(g.request_id)
    logs.session_id.set((request.view_args or {}).get("session_id", ""))


def finish(response: Response) -> Response:
    """Set the headers that every answer carries, and the cookie of a new student."""
    response.headers["X-Request-Id"] = g.get("request_id", "")
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    )
    if g.get("new_student"):
        response.set_cookie(
            identity.COOKIE,
            identity.sign_student(_secret(), g.new_student),
            max_age=TWO_YEARS,
            httponly=True,
            samesite="Lax",
            secure=current_app.config["PUBLIC_URL"].startswith("https://"),
        )
    return response


def known_student() -> str | None:
    """The student whose signed cookie came along, or None."""
    return identity.read_student(_secret(), request.cookies.get(identity.COOKIE))


def student() -> str:
    """The student who asks; somebody new gets an identity with the answer."""
    known = known_student() or g.get("new_student")
    if not known:
        known = g.new_student = identity.new_student()
    return known


def csrf_token() -> str:
    """What a form of ours must send back; belongs to the student's cookie."""
    return _csrf(known_student() or g.get("new_student") or "")


def form_token() -> str:
    """The same on a page that somebody new may open: they get an identity with it."""
    student()
    return csrf_token()


def check_csrf() -> None:
    """Refuse a changing request that does not come from one of our own forms or scripts."""
    given = request.form.get("csrf") or request.headers.get("X-CSRF-Token", "")
    if not hmac.compare_digest(given.encode(), _csrf(known_student() or "").encode()):
        abort(403, "The form is not from this page. Go back, reload and try again.")


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


def wants_json() -> bool:
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    return best == "application/json"


def _csrf(who: str) -> str:
    return hmac.new(_secret(), f"csrf {who}".encode(), hashlib.sha256).hexdigest()


def _secret() -> bytes:
    secret: bytes = current_app.config["SECRET_KEY"]
    return secret
