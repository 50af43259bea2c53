"""Log lines with the ids of their request and session: JSON, or plain text on a terminal."""

from __future__ import annotations

import contextvars
import functools
import json
import logging
import sys
import time
from collections.abc import Callable
from typing import TypeVar

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")
"""The id of the request that this thread works for; the error pages show it."""

session_id: contextvars.ContextVar[str] = contextvars.ContextVar("session_id", default="")
"""The id of the session that this thread works for."""

Result = TypeVar("Result")
PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object per line; `extra` values become keys of their own."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= ids()
        line |= {key: value for key, value in vars(record).items() if key not in PLAIN}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class PlainLines(logging.Formatter):
    """Time, level, message and the extras, for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        extras = {key: value for key, value in vars(record).items() if key not in PLAIN}
        extras = ids() | extras
        said = " ".join(f"{key}={value}" for key, value in extras.items())
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{at} {record.levelname.lower():7} {record.getMessage()} {said}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def ids() -> dict[str, str]:
    """What is known of who this line is about."""
    known = {"request_id": request_id.get(), "session_id": session_id.get()}
    return {name: value for name, value in known.items() if value}


def carried(work: Callable[..., Result]) -> Callable[..., Result]:
    """The same work with the ids of now, for another thread to do."""
    return functools.partial(contextvars.copy_context().run, work)


def set_up(form: str, level: str) -> None:
    """Send all log lines to stderr; `form` is auto, json or text."""
    handler = logging.StreamHandler(sys.stderr)
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler.setFormatter(PlainLines() if as_text else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("urllib3", "docker", "git", "waitress.queue"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
