"""Print which situations each pull holds, then the time of the same work; exit code 1 where
ours does not hold one."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.pull import speed
from benchmarks.pull.cases import CASES
from benchmarks.pull.scene import OURS, THEIRS, NotHeld, Puller, Scene
from tests.git_server import GitServer


def main() -> int:
    """Everything, or what the words choose."""
    parser = argparse.ArgumentParser(prog="benchmarks.pull", description=__doc__)
    parser.add_argument("--cases", default="", metavar="TEXT", help="only cases with this text")
    parser.add_argument("--no-speed", action="store_true", help="only the cases")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-pull-") as name:
        root = Path(name)
        (root / "git").mkdir()
        with GitServer(root / "git") as server:
            failed = compare_cases(root, server, args.cases)
            if not args.no_speed:
                compare_speed(root, server)
    return 1 if failed else 0


def compare_cases(root: Path, server: GitServer, chosen: str) -> list[str]:
    """Print the table; the titles that ours does not hold."""
    failed, held = [], {OURS: 0, THEIRS: 0}
    titles = [title for title in CASES if chosen in title]
    print(f"{'':74} {'ours':6} nbgitpuller")
    for number, title in enumerate(titles):
        words = {}
        for puller in (OURS, THEIRS):
            reason = play(title, root / f"case{number}-{puller.name.split()[0]}", server, puller)
            words[puller] = "ok" if reason is None else f"no: {reason[:60]}"
            held[puller] += reason is None
        if words[OURS] != "ok":
            failed.append(title)
        print(f"{title:74} {words[OURS]:6} {words[THEIRS]}", flush=True)
    print(f"{f'held, of {len(titles)}':74} {held[OURS]:<6} {held[THEIRS]}\n")
    return failed


def play(title: str, place: Path, server: GitServer, puller: Puller) -> str | None:
    """Why the case is not held, or None."""
    place.mkdir()
    try:
        CASES[title](Scene.create(place, server, puller))
    except NotHeld as reason:
        return str(reason)
    return None


def compare_speed(root: Path, server: GitServer) -> None:
    """Seconds, and ratios to git, each command with the start of its interpreter."""
    print(speed.HEAD)
    found = []
    for row in speed.rows(root, server):
        print(row, flush=True)
        found.append(row)
    first, nothing, *_, restored, _changed = found
    for what, met in (
        ("first pull at most 1.3 x git clone + 0.2 s", first.ours <= 1.3 * first.git + 0.2),
        ("nothing new ahead of nbgitpuller", nothing.ours < nothing.theirs),
        ("500 files restored 3 x faster", restored.ours * 3 <= restored.theirs),
    ):
        print(f"{'met    ' if met else 'NOT MET'} {what}")


if __name__ == "__main__":
    sys.exit(main())
