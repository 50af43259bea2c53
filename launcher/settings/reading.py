"""Settings files: read, put over the defaults, and made into values."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from launcher.errors import BadSettings

FREE_MAPS = {"environments.catalogue", "base.pythons", "git.credentials", "conda.channels"}
"""Settings whose keys the administrator chooses."""


def setting(read: Any) -> Any:
    """A setting of this name; `read` makes its value of what YAML holds, or is the section's class.

    Whatever `read` raises as ValueError, TypeError or KeyError names the setting.
    """
    return field(metadata={"read": read})


def read_file(path: Path) -> Mapping[str, Any]:
    """:raises BadSettings: it cannot be read, or is no YAML of `key: value` lines."""
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise BadSettings(
            f"The settings file {path} cannot be read: {error.strerror}.",
            hint="Name another with --settings, or leave it out for the defaults.",
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadSettings(
            f"The settings file {path} is not in UTF-8: line {line} is of another encoding.",
            hint="Save it as UTF-8 in the editor, or: iconv -f latin1 -t utf8 OLD > NEW",
        ) from error
    except yaml.YAMLError as error:
        raise BadSettings(f"{path} is not valid YAML: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadSettings(f"{path} must hold `key: value` lines.")
    return found


def nested(name: str, value: Any) -> dict[str, Any]:
    """The setting of a dotted name, as a file would have it."""
    head, _, rest = name.partition(".")
    return {head: nested(rest, value) if rest else value}


def merge(settings: dict[str, Any], given: Mapping[Any, Any], *, where: str = "") -> None:
    """Put what is given in place of the defaults.

    :raises BadSettings: an unknown key, with the nearest known one.
    """
    for key, value in given.items():
        name = f"{where}{key}"
        if key not in settings:
            near = difflib.get_close_matches(str(key), list(settings), n=1)
            raise BadSettings(
                f"Unknown setting `{name}`.",
                hint=f"Did you mean `{where}{near[0]}`?" if near else "See default.yml.",
            )
        if isinstance(settings[key], dict):
            if not isinstance(value, dict):
                raise BadSettings(f"`{name}` holds settings of its own, not {value!r}.")
            if name in FREE_MAPS:
                settings[key] = value
            else:
                merge(settings[key], value, where=f"{name}.")
        else:
            settings[key] = value


def typed(kind: Any, settings: Mapping[str, Any], *, where: str = "") -> Any:
    """The settings of a section, each as its field reads it.

    :raises BadSettings: a value of a wrong kind.
    """
    found = {}
    for one in fields(kind):
        name, read = f"{where}{one.name}", one.metadata["read"]
        if is_dataclass(read):
            found[one.name] = typed(read, settings[one.name], where=f"{name}.")
            continue
        try:
            found[one.name] = read(settings[one.name])
        except (ValueError, TypeError, KeyError) as error:
            raise BadSettings(f"`{name}`: {error}") from error
    return kind(**found)
