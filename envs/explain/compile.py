"""A package without a ready-made wheel, and what its own build lacks."""

from __future__ import annotations

import re

from envs.explain.trouble import FirstError, Trouble, short

BASICS = "gcc, libc6-dev and python3-dev"
LACKS = (
    (r"Can not find valid pkg-config name", "the MySQL library",
     f"default-libmysqlclient-dev, pkg-config, {BASICS}"),
    (r"pkg-config: not found|[Dd]id not find pkg-config", "pkg-config", f"pkg-config, {BASICS}"),
    (r"pg_config executable not found", "pg_config", f"libpq-dev, {BASICS}"),
    (r"mysql_config: not found", "mysql_config", f"default-libmysqlclient-dev, {BASICS}"),
    (r"[Cc]an't find Rust compiler|cargo: not found|requires Rust", "Rust", f"cargo, {BASICS}"),
    (r"CMake must be installed|cmake: not found|No CMAKE_CXX_COMPILER", "CMake",
     f"cmake, g++ and {BASICS}"),
    (r"[Nn]o Fortran compiler found|gfortran: not found", "a Fortran compiler",
     f"gfortran, {BASICS}"),
    (r"fatal error: Python\.h: No such file", "the header Python.h", "libc6-dev and python3-dev"),
    (r"No such file or directory: '\S*(?:gcc|cc|clang)'|command '\S*gcc' failed: No such file"
     r"|(?:gcc|cc): not found|[Nn]o working compiler found", "a C compiler", BASICS),
    (r"No such file or directory: '\S*(?:g\+\+|c\+\+)'|g\+\+: not found", "a C++ compiler",
     f"g++, {BASICS}"),
)  # fmt: skip
"""What the build says, what is missing, and the Debian packages that bring it."""
HEADERS = {
    "mysql": "default-libmysqlclient-dev",
    "graphviz": "libgraphviz-dev",
    "libxml": "libxml2-dev and libxslt1-dev",
    "ffi": "libffi-dev",
    "openssl": "libssl-dev",
    "hdf5": "libhdf5-dev",
    "geos": "libgeos-dev",
    "proj": "libproj-dev",
    "portaudio": "portaudio19-dev",
    "lber": "libldap2-dev and libsasl2-dev",
}
NEWER = "Ask for a version with a ready-made wheel, mostly a newer one"


def cannot_compile(trouble: Trouble) -> FirstError | None:
    found = trouble.find(r"[Ff]ailed to (?:download and )?build:? `([\w.-]+)(?:==([^`\s]+))?")
    if found is None:
        return None
    package = f"{found[1]} {found[2] or ''}".rstrip()
    place, number = trouble.place_of(found[1], found[2] or ""), trouble.number(found)
    lack = next(((what, apt) for p, what, apt in LACKS if trouble.find(p)), None)
    if lack:
        return FirstError(
            f"{package} must be compiled here, and {lack[0]} is missing.",
            f"{NEWER}, or add to apt.txt: {lack[1]}.",
            *place,
            log_line=number,
        )
    header = trouble.find(r"fatal error: (\S+\.h(?:pp)?): No such file")
    if header:
        return FirstError(
            f"{package} must be compiled here, and the header {header[1]} is missing.",
            header_hint(header[1]),
            *place,
            log_line=trouble.number(header),
        )
    return FirstError(
        f"{package} has no ready-made wheel and cannot be built here: {reason(trouble)}",
        f"{NEWER}, or name another Python in runtime.txt.",
        *place,
        log_line=number,
    )


def header_hint(header: str) -> str:
    """The Debian package that brings a C header, or how to find it."""
    known = next((apt for word, apt in HEADERS.items() if word in header.lower()), "")
    if known:
        return f"Add to apt.txt: {known}."
    return "Add the Debian package that holds it to apt.txt; its name mostly ends in -dev."


def reason(trouble: Trouble) -> str:
    """The last exception that was printed, else the first line that the package's build said."""
    raised = re.findall(r"^\s*((?:\w+\.)*\w*(?:Error|Exception)\b: .*)", trouble.printed, re.M)
    said = re.search(r"\[stderr\]\n\s*(.*)", trouble.printed)
    return short(raised[-1] if raised else said[1] if said else "it ended with an error.")
