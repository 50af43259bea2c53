"""Who may do more than a student: instructors and administrators, each with a token."""

from __future__ import annotations

import enum
import hashlib
import re
import secrets
import time
from dataclasses import dataclass

from sqlalchemy import Row, delete, insert, select, update

from launcher.database import Database
from launcher.database.tables import USERS
from launcher.errors import LaunchError

NAME = re.compile(r"[\w][\w.@+-]{0,63}")
PREFIX = "launcher_"
"""Tokens begin so, for programs that look for secrets where none should be."""


class Role(enum.StrEnum):
    """What somebody may do; students need no name here."""

    INSTRUCTOR = "instructor"
    """Makes short links, and changes their own; plans class times."""
    ADMIN = "admin"
    """Changes everybody's, and sees who did what."""


class BadUser(LaunchError):
    """A name that nobody can have, that somebody has, or that nobody has."""

    field = "name"


class LoginNeeded(LaunchError):
    """Nobody is signed in, and this is not for students."""


class NotAllowed(LaunchError):
    """Whoever is signed in may not do this."""


@dataclass(frozen=True)
class User:
    """Somebody with a role."""

    name: str
    role: Role
    added: float
    """Unix seconds."""
    mark: str
    """Belongs to the token: a sign-in with an earlier one does not count any more."""

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN


@dataclass(frozen=True)
class People:
    """Only hashes of tokens are kept: one that is lost is replaced, never found."""

    database: Database

    def add(self, name: str, role: Role) -> str:
        """The new user's token.

        :raises BadUser: the name is taken, or none.
        """
        if not NAME.fullmatch(name):
            raise BadUser(
                f"{name!r} cannot be a name here.", hint="Use letters, digits and . _ - @ +."
            )
        token = new_token()
        row = {"name": name, "role": role, "token_hash": hash_of(token), "added": time.time()}
        with self.database.write() as connection:
            if connection.scalar(select(USERS.c.name).where(USERS.c.name == name)):
                raise BadUser(
                    f"There is a user {name} already.",
                    hint=f"For a new token: launcher user token {name}.",
                )
            connection.execute(insert(USERS), row)
        return token

    def renew(self, name: str) -> str:
        """A new token; the old one, and every sign-in with it, ends.

        :raises BadUser: there is no such user.
        """
        token = new_token()
        changed = update(USERS).where(USERS.c.name == name).values(token_hash=hash_of(token))
        with self.database.write() as connection:
            if not connection.execute(changed).rowcount:
                raise self._nobody(name)
        return token

    def remove(self, name: str) -> None:
        """Their short links stay, and are the administrators' from then on.

        :raises BadUser: there is no such user.
        """
        with self.database.write() as connection:
            if not connection.execute(delete(USERS).where(USERS.c.name == name)).rowcount:
                raise self._nobody(name)

    def all(self) -> list[User]:
        """Sorted by name."""
        with self.database.read() as connection:
            return [
                user_of(row) for row in connection.execute(select(USERS).order_by(USERS.c.name))
            ]

    def with_token(self, token: str) -> User | None:
        """Whose token this is; what is compared are hashes, so time tells nothing of it."""
        return self._find(USERS.c.token_hash == hash_of(token)) if token else None

    def signed_in(self, name: str, mark: str) -> User | None:
        """The user of a sign-in, unless their token was replaced since."""
        found = self._find(USERS.c.name == name)
        return found if found and secrets.compare_digest(found.mark, mark) else None

    def _find(self, which: object) -> User | None:
        with self.database.read() as connection:
            row = connection.execute(select(USERS).where(which)).first()  # type: ignore[arg-type]
        return user_of(row) if row else None

    def _nobody(self, name: str) -> BadUser:
        known = ", ".join(user.name for user in self.all())
        return BadUser(
            f"There is no user {name!r}.",
            hint=f"Known: {known}." if known else "There is none yet.",
        )


def user_of(row: Row[tuple[str, str, str, float]]) -> User:
    return User(row.name, Role(row.role), row.added, mark=row.token_hash[:16])


def new_token() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """A token is 256 random bits: a plain hash of it cannot be turned back."""
    return hashlib.sha256(token.strip().encode("utf-8", "surrogatepass")).hexdigest()
