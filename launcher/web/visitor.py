"""Who has signed in, or sent a token, beyond being a student; asked by views that need a role."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import Response, current_app, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from launcher.people.people import LoginNeeded, NotAllowed, User
from launcher.web.request import by_https, has_bearer, in_a_window, login_cookie

if TYPE_CHECKING:
    from launcher.people.people import People

LASTS = 14 * 24 * 3600
"""Seconds that a sign-in counts."""
FOLLOWS = "follows a page"


def user() -> User | None:
    """Whoever signed in on this browser, or sent a token; None for everybody else."""
    if "user" not in g:
        token = request.headers.get("Authorization", "").partition(" ")[2]
        g.user = people().with_token(token) if has_bearer() else signed_in()
    return cast("User | None", g.user)


def signed_in() -> User | None:
    if not in_a_window():
        return None
    try:
        name, mark = _signer().loads(request.cookies.get(login_cookie(), ""), max_age=LASTS)
        return people().signed_in(name, mark)
    except (BadSignature, UnicodeError, ValueError, TypeError):
        return None


def need_user(*, admin: bool = False) -> User:
    """Whoever asks, with a role.

    :raises LoginNeeded: nobody is signed in.
    :raises NotAllowed: it takes an administrator, and this is none.
    """
    found = user()
    if found is None:
        raise LoginNeeded(
            "This page is for instructors.", hint="Sign in with the token that you were given."
        )
    if admin and not found.is_admin:
        raise NotAllowed(
            f"{found.name} is not an administrator here.", hint="Ask whoever runs this server."
        )
    return found


def follow_key(found: User, page: str) -> str:
    """What the script of this one page shows in place of the sign-in, which scripts cannot use."""
    return str(_signer().dumps([found.name, found.mark, page], salt=FOLLOWS))


def need_follower(page: str) -> None:
    """Whoever signed in, or a script of the page that they were shown.

    :raises LoginNeeded: it is neither.
    """
    try:
        key = request.headers.get("X-Board-Key", "")
        name, mark, of = _signer().loads(key, max_age=LASTS, salt=FOLLOWS)
    except (BadSignature, UnicodeError, ValueError, TypeError):
        name = mark = of = ""
    if of != page or people().signed_in(name, mark) is None:
        need_user()


def remember(response: Response, found: User) -> None:
    """Sign in on this browser."""
    response.set_cookie(
        login_cookie(),
        str(_signer().dumps([found.name, found.mark])),
        max_age=LASTS,
        httponly=True,
        samesite="Lax",
        secure=by_https(),
    )


def forget(response: Response) -> None:
    response.delete_cookie(login_cookie(), secure=by_https(), httponly=True, samesite="Lax")


def people() -> People:
    return cast("People", current_app.extensions["people"])


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET"], salt="signed in")
