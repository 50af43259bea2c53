"""The Python that a file asks for: one version, or the best of those that a range allows."""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from envs.errors import BadEnvironment, NotOffered
from envs.recipe import DEFAULT_PYTHON

PYTHONS = (DEFAULT_PYTHON, "3.13", "3.12", "3.14", "3.10", "3.9")
"""In the order in which a range that allows several gets one; a builder may offer fewer."""


def best_python(wanted: str, path: str) -> str:
    """`3.11` for `3.11`, `=3.11`, `==3.11.4`, `=3.11.*`; for a range the first that it allows.

    :raises BadEnvironment: no version; :raises NotOffered: none of the known ones is allowed.
    """
    exact = re.fullmatch(r"[=\s]*(\d+)\.(\d+)(\.[\d*]+)?(=.*)?", wanted.strip())
    if exact:
        return f"{exact[1]}.{exact[2]}"
    text = re.sub(r"^[=\s]+", "==", wanted.strip()) if wanted.strip(" =*") else ""
    try:
        allowed = SpecifierSet(re.sub(r"^==(\d+)$", r"==\1.*", text))
    except InvalidSpecifier as error:
        raise BadEnvironment(
            f"{path} asks for Python {wanted!r}.", hint="Write a version such as 3.11."
        ) from error
    for version in PYTHONS:
        if allowed.contains(f"{version}.99"):
            return version
    raise NotOffered(f"{path} asks for Python {wanted}.", hint=f"Known here: {', '.join(PYTHONS)}.")
