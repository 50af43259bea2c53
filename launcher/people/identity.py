"""Who a browser is: a signed, long-lived cookie; and the secret that signs it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer

from envs.atomic import write_text
from launcher.errors import SecretGone

COOKIE = "launcher_student"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its name by https: browsers take one of this name from the server only, for all its paths, so no
notebook's script can put another student's in its place."""
LOGIN_COOKIE = "launcher_user"
"""Of instructors and administrators, beside the other."""
NAMES = (COOKIE, SECURE_COOKIE, LOGIN_COOKIE, f"__Host-{LOGIN_COOKIE}")
"""Cookies that say who somebody is: no session sees them."""
RESTORED = "restored"
"""The file that tells a restored data folder from the one that was backed up."""
SHORTEST = 16
"""Bytes of a secret."""
MAX_AGE = 2 * 365 * 24 * 3600
"""Seconds that the cookie counts."""


def new_student() -> str:
    """A new student's name: no meaning, cannot be guessed, fits into a path."""
    return secrets.token_hex(10)


def new_guest() -> str:
    """The name of a student that a program is; no other way of naming students makes such names."""
    return f"guest-{secrets.token_hex(10)}"


def is_guest(student: str) -> bool:
    return re.fullmatch(r"guest-[0-9a-f]{20}", student) is not None


def code_of(secret: bytes, student: str) -> str:
    """What a student says aloud to be found on the class board; no way leads back from it."""
    letters = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # none that look or sound alike
    number = int(derived(secret, f"board {student}"), 16)
    return "".join(letters[number // len(letters) ** place % len(letters)] for place in range(5))


def sign_student(secret: bytes, student: str) -> str:
    """The cookie's value."""
    return str(_signer(secret).dumps(student))


def read_student(secret: bytes, cookie: str | None) -> str | None:
    """The student that a cookie names, or None for none, a forged or an expired one."""
    try:
        student = _signer(secret).loads(cookie or "", max_age=MAX_AGE)
    except (BadSignature, UnicodeError):  # raw bytes in a cookie cannot even be checked
        return None
    return student if isinstance(student, str) else None


def find_student(
    secret: bytes, cookies: Mapping[str, str], *, only_secure: bool = False
) -> str | None:
    """The student whom a browser's cookies name, or None.

    `only_secure` where another host name of the same domain is not to be trusted: its scripts can
    set the other cookie for both.
    """
    for name in (SECURE_COOKIE,) if only_secure else (SECURE_COOKIE, COOKIE):
        if name in cookies:
            return read_student(secret, cookies[name])
    return None


def derived(secret: bytes, purpose: str) -> str:
    """A secret of its own for one purpose, so that no two purposes share one."""
    return hmac.new(secret, purpose.encode(), hashlib.sha256).hexdigest()


def instance_of(secret: bytes, folder: Path) -> str:
    """The data folder's own mark on what it starts.

    A restored folder has another one than the folder that was backed up, whose sessions may still
    run on the same engine, and write there.
    """
    try:
        mark = (folder / RESTORED).read_text().strip()
    except FileNotFoundError:
        mark = ""
    return derived(secret, f"instance {mark}".strip())[:12]


def load_secret(folder: Path) -> bytes:
    """The data folder's secret, made on first use; two processes at once get the same one.

    :raises launcher.errors.SecretGone: it is not the first use, or the file is damaged.
    """
    path = folder / "secret.key"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        if any((folder / "homes").glob("*")):
            raise SecretGone(
                f"{path} is gone, and there are students' folders: with a new secret every "
                "browser would be a stranger to its own.",
                hint="Put it back from the newest backup. To begin with a new one all the same: "
                f"(umask 077; openssl rand -hex 32 > {path})",
            )
        with contextlib.suppress(FileExistsError):  # another process's secret
            write_text(path, secrets.token_hex(32), durable=True, replace=False)
    return read_secret(path)


def read_secret(path: Path) -> bytes:
    """:raises launcher.errors.SecretGone: the file is damaged; an empty one would sign nothing."""
    try:
        secret = bytes.fromhex(path.read_text().strip())
    except ValueError:
        secret = b""
    if len(secret) < SHORTEST:
        raise SecretGone(f"{path} is damaged.", hint="Put it back from the newest backup.")
    return secret


@functools.lru_cache(maxsize=8)
def _signer(secret: bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt="student")
