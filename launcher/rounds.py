"""Work that a thread does again and again: trouble is told when it begins and when it is over."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from envs.errors import EnvError
from launcher.errors import LaunchError, NoRuntime

log = logging.getLogger(__name__)


@dataclass
class Rounds:
    """Runs the work of one thread, which goes on whatever happens in a round."""

    what: str
    """What was to be done, as a log line begins with it."""
    _trouble: str = ""

    def run(self, work: Callable[[], object]) -> None:
        """Do it once. Trouble that was there in the last round is not told again."""
        try:
            work()
        except NoRuntime as error:  # its client has told that, once for all threads
            log.debug("%s failed: %s", self.what, error)
        except Exception as error:  # the outermost edge of a thread: it must go on
            self._tell(error)
        else:
            if self._trouble:
                log.info("%s: it works again", self.what)
            self._trouble = ""

    def _tell(self, error: Exception) -> None:
        said = f"{type(error).__name__}: {error}"
        same = re.sub(r"0x[0-9a-f]+", "", said)  # an object of this round, in its error's words
        if same == self._trouble:
            return
        self._trouble = same
        expected = isinstance(error, LaunchError | EnvError | OSError)
        log.log(
            logging.WARNING if expected else logging.ERROR,
            "%s failed: %s",
            self.what,
            said,
            exc_info=not expected,
        )
