"""`python3 reconcile.zip REQUEST [PACK]`: one pull; the last line printed is JSON.

`{"receipt": ...}` when it is done, `{"need": true}` when objects are missing, `{"error", "hint"}`.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import Any, Dict, List

from .errors import CannotPull, NeedObjects
from .pull import Request, pull, take_objects


def main(arguments: List[str]) -> int:
    answer = run(arguments)
    print(json.dumps(answer), flush=True)
    return 0 if "receipt" in answer else 1


def run(arguments: List[str]) -> Dict[str, Any]:
    """Every outcome as JSON: what reads it is another program."""
    found = json.loads(arguments[0])
    only_take = found.pop("only_take", False)
    pack = arguments[1] if len(arguments) > 1 else None
    request = Request(**{**found, "shallow": tuple(found.get("shallow", ()))})
    os.umask(0o022 | os.umask(0o022))
    try:
        if only_take:
            take_objects(request, pack)
            return {"taken": True}
        return {"receipt": pull(request, pack)}
    except NeedObjects:
        return {"need": True}
    except CannotPull as error:
        return {"error": str(error), "hint": error.hint}
    except OSError as error:
        return {"error": "%s: %s" % (os.fsdecode(error.filename or ""), error.strerror), "hint": ""}
    except Exception:  # the outermost edge: the launcher logs it
        return {"error": "The pull failed unexpectedly.", "hint": "", "log": traceback.format_exc()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
