"""What killed processes leave in the data folder: half-made folders and files under other names.

Everything is made under a name of its own and then renamed, so what still has such a name after a
while belongs to nobody. Students' folders and finished things never have one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.clock import Jumps
from launcher.homes.removal import remove_tree
from launcher.rounds import Rounds

log = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two looks while the launcher serves."""
PATTERNS = {
    "homes/*/.new-*": "a folder for a student that was never begun",
    # Finished notes have longer names, and are what the next pull builds on.
    "homes/*/.delivered-????????": "a note on a pull that was never finished",
    "bin/.new-*": "a removed folder that was never moved",
    "content/mirrors/*.new": "a copy of a repository that was never finished",
    "content/mirrors/*/*.lock": "a lock of git that nobody holds",
    "content/mirrors/*/refs/**/*.lock": "a lock of git that nobody holds",
    "content/mirrors/*/tmp*": "a file of a mirror that was never finished",
    "content/mirrors/*/objects/pack/tmp_*": "a pack that was never finished",
    "content/clones/*/.*.new-*": "a clone that was never finished",
    "content/packs/*/tmp*": "a pack that was never finished",
    "builds/sources/.checkout-*": "a checkout that was never finished",
    "builds/sources/.gone-*": "a checkout that was never removed",
    "builds/tmp????????": "a list of channels or versions that was never finished",
    "builds/.gone-*": "a log that was never removed",
    "builds/logs/*/*.tmp": "a build's record that was never finished",
    "builds/logs/*/tmp????????": "a build's record that was never finished",
    "builds/locks/tmp????????": "a list of packages that was never finished",
    "envs/tmp????????": "a note on an environment that was never finished",
    "rehearsals/tmp????????": "a note on a rehearsal that was never finished",
    "run/local/tmp????????": "a note on a session that was never finished",
    "run/tmp*": "a file of the gateway that was never finished",
    "tmp????????": "a file that was never finished",
}
"""Names that things have while they are made, in the data folder."""


@dataclass(frozen=True)
class Leftover:
    """Something that nobody will finish."""

    path: Path
    what: str
    age: float
    """Seconds since it was last changed."""


def find(data: Path, *, older: float) -> Iterator[Leftover]:
    """What was not changed for `older` seconds; younger things may still be in the making."""
    now = time.time()
    for pattern, what in PATTERNS.items():
        for path in sorted(data.glob(pattern)):
            try:
                age = now - path.lstat().st_mtime
            except FileNotFoundError:  # just finished
                continue
            if age > older:
                yield Leftover(path, what, age)


def remove(one: Leftover) -> bool:
    """True when it is gone; links in it are never followed."""
    try:
        if one.path.is_dir() and not one.path.is_symlink():
            why = remove_tree(one.path)  # a repository may be deeper than Python can go
        else:
            one.path.unlink(missing_ok=True)
            why = None
    except OSError as error:
        why = str(error)
    if why:
        log.warning("a leftover stays: %s", why, extra={"path": str(one.path)})
        return False
    log.info("leftover removed", extra={"path": str(one.path), "what": one.what})
    return True


def regularly(
    data: Path,
    sweep: Callable[..., Sequence[str]],
    *,
    older: float,
    ended: threading.Event,
    every: float = EVERY,
    clock: Jumps | None = None,
) -> None:
    """Remove leftovers now and each `every` seconds until `ended`; `sweep` is the runtime's.

    Not while the clock has just jumped: what is in the making would seem to be old.
    """
    rounds, clock = Rounds("removing leftovers"), clock or Jumps("leftovers stay for a while")

    def tidy() -> None:
        if clock.recent(older):
            return
        for one in list(find(data, older=older)):
            remove(one)
        for gone in sweep(older=older, dry_run=False):
            log.info("leftover removed", extra={"what": gone})

    while True:
        rounds.run(tidy)
        if ended.wait(every):
            return
