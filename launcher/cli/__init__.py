"""One module per command: `add_parser` says its words, its handler calls what knows the rest.

A handler takes the parsed words and a `Context` and returns the exit code.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from launcher.config import Config
    from launcher.database import Database
    from launcher.parts import Parts


@dataclass
class Context:
    """The settings and parts of this call; read and made when a command first asks for them."""

    named: Path | None
    """The file of `--settings`."""
    overrides: dict[str, Any]
    json: bool
    looks: bool = True
    """False where the settings of this machine's own launcher are not meant."""
    _config: Config | None = None
    _parts: Parts | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> Context:
        settings = getattr(args, "settings", None)
        return cls(
            named=Path(settings) if settings else None,
            overrides={"data": getattr(args, "data", None)},
            json=getattr(args, "json", False),
        )

    @functools.cached_property
    def settings(self) -> Path | None:
        """The file that counts; one that nobody named for this call is said."""
        if self.named or not self.looks:
            return self.named
        from launcher.settings.place import find_settings

        found, said = find_settings(own_data=bool(self.overrides.get("data")))
        if said:
            print(f"launcher: {said}", file=sys.stderr)
        return found

    @property
    def config(self) -> Config:
        if self._config is None:
            from launcher.config import load_config  # imports YAML, which not all commands need

            self._config = load_config(self.settings, **self.overrides)
        return self._config

    @property
    def parts(self) -> Parts:
        if self._parts is None:
            from launcher.parts import create_parts  # imports what not all commands need

            self._parts = create_parts(self.config)
        return self._parts

    @property
    def database(self) -> Database:
        """The data folder's database alone, for commands that need no more."""
        from launcher.database import Database

        return Database.of(self.config.data)

    def override(self, **settings: Any) -> None:
        """Set settings from a command's own words, by dotted name with `__` for the dot."""
        self.overrides |= settings
        self._config = self._parts = None

    def show(self, value: Any, text: str) -> None:
        """Print `value` as JSON where that was asked for, else the text."""
        print(json.dumps(value, default=str, ensure_ascii=False, indent=1) if self.json else text)
