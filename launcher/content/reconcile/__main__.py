"""`python3 reconcile.zip REQUEST [PACK]`: one action in one folder; the last line is JSON.

A pull answers `{"receipt": ...}`, `{"need": true}` when objects are missing; each other action of
`ACTIONS` answers under its own name; trouble is `{"error", "hint"}`.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from typing import Any, Callable, Dict, List, Optional

from . import gitdir, rights, snapshots
from .answer import shortened
from .errors import CannotPull, NeedObjects
from .git import Git
from .pull import Request, pull, take_objects, take_pack
from .restore import restore, start_over
from .work import Work

Asked = Dict[str, Any]


def main(arguments: List[str]) -> int:
    answer = run(arguments)
    print(json.dumps(answer), flush=True)
    return 1 if "error" in answer or "need" in answer else 0


def run(arguments: List[str]) -> Dict[str, Any]:
    """Every outcome as JSON: what reads it is another program."""
    asked = json.loads(arguments[0])
    pack = arguments[1] if len(arguments) > 1 else None
    os.umask(0o022 | os.umask(0o022))
    act = ACTIONS[asked.pop("action", "pull")]
    try:
        try:
            return act(asked, pack)
        except PermissionError:
            if not rights.give_back(os.fsencode(asked["folder"])):
                raise
            return act(asked, pack)
    except NeedObjects:
        return {"need": True}
    except CannotPull as error:
        return {"error": str(error), "hint": error.hint}
    except OSError as error:
        return {"error": "%s: %s" % (os.fsdecode(error.filename or ""), error.strerror), "hint": ""}
    except Exception:  # the outermost edge: the launcher logs it
        return {"error": "The pull failed unexpectedly.", "hint": "", "log": traceback.format_exc()}


def do_pull(asked: Asked, pack: Optional[str]) -> Dict[str, Any]:
    return {"receipt": shortened(pull(request_of(asked), pack))}


def do_take(asked: Asked, pack: Optional[str]) -> Dict[str, Any]:
    """Only take one of several packs."""
    take_objects(request_of(asked), pack)
    return {"taken": True}


def do_list(asked: Asked, _pack: Optional[str]) -> Dict[str, Any]:
    return {"snapshots": snapshots.listed(git_of(asked).dir)}


def do_preview(asked: Asked, _pack: Optional[str]) -> Dict[str, Any]:
    git = git_of(asked)
    return {"preview": snapshots.preview(work_of(git), git.dir, asked["id"], path_in(asked))}


def do_restore(asked: Asked, _pack: Optional[str]) -> Dict[str, Any]:
    git = git_of(asked)
    with gitdir.locked(git.folder):
        work = work_of(git)
        work.clear_temp()
        in_place = bool(asked.get("in_place"))
        date = time.strftime("%Y-%m-%d")
        return {
            "restored": restore(
                git, work, asked["id"], path_in(asked), in_place=in_place, date=date
            )
        }


def do_start_over(asked: Asked, pack: Optional[str]) -> Dict[str, Any]:
    git = git_of(asked)
    with gitdir.locked(git.folder):
        take_pack(git, pack)
        work = work_of(git)
        work.clear_temp()
        path = path_in(asked) or b""
        return {"started_over": start_over(git, work, path, date=time.strftime("%Y-%m-%d"))}


ACTIONS: Dict[str, Callable[[Asked, Optional[str]], Dict[str, Any]]] = {
    "pull": do_pull,
    "take": do_take,
    "snapshots": do_list,
    "preview": do_preview,
    "restore": do_restore,
    "start_over": do_start_over,
}


def request_of(asked: Asked) -> Request:
    return Request(**{**asked, "shallow": tuple(asked.get("shallow", ()))})


def git_of(asked: Asked) -> Git:
    """:raises CannotPull: nothing was ever pulled there."""
    git = Git(os.path.abspath(os.fsencode(asked["folder"])))
    if os.path.islink(git.dir) or not os.path.isdir(git.dir):
        raise CannotPull(
            "%s holds no course files that were pulled." % asked["folder"], "Pull them first."
        )
    return git


def work_of(git: Git) -> Work:
    head = git.commit("HEAD") or ""
    return Work(git.folder, os.path.join(git.dir, b"launcher-tmp"), len(head) or 40)


def path_in(asked: Asked) -> Optional[bytes]:
    path = asked.get("path")
    return None if path is None else snapshots.path_of(str(path))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
