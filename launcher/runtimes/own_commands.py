"""The launcher's own commands inside a session. No I/O here.

A student's folder comes first in the PATH of an image, so that what they install is found there;
our commands must not be what they put there under the same name.
"""

from __future__ import annotations

from collections.abc import Sequence

WITHOUT_HOME = """
set -f; IFS=:; path=
for folder in $PATH; do
    case $folder in "$HOME" | "$HOME"/* | [!/]* | "") ;; *) path=$path${path:+:}$folder ;; esac
done
unset IFS; PATH=${path:-/usr/bin:/bin}; export PATH
"""


def own_command(command: Sequence[str]) -> list[str]:
    """The argv that runs the command as the image has it, whatever is in the student's folder."""
    return ["/bin/sh", "-c", f'{WITHOUT_HOME}exec "$@"', "launcher", *command]


def own_python(arguments: Sequence[str]) -> list[str]:
    """The argv that runs the image's python3 with these arguments.

    An image with conda packages names the launcher's own; a student cannot change such names.
    """
    script = f'{WITHOUT_HOME}exec "${{LAUNCHER_PYTHON:-python3}}" "$@"'
    return ["/bin/sh", "-c", script, "launcher", *arguments]
