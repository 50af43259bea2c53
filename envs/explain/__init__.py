"""The first error of a failed build, told with its place in the repository. No I/O here.

The words that are looked for are those of the tools: uv, pip, py-rattler, apt-get, git,
R, bash and BuildKit, as they printed them when the tests' examples were made. What nobody
knows keeps its own words.
"""

from __future__ import annotations

from collections.abc import Sequence

from envs.build_log import Line
from envs.explain import conda, docker, machine, python, r, script, system
from envs.explain.trouble import FirstError, Texts, Trouble
from envs.stages import stages_of

__all__ = ["FirstError", "Texts", "explain"]
READERS = (machine, python, conda, system, docker, r, script)
"""Siblings: each has `read(trouble) -> FirstError | None`; the first that knows it counts."""


def explain(lines: Sequence[Line], said: str, texts: Texts) -> FirstError | None:
    """What a failed build's log says was wrong first, or None where nobody knows it.

    :param said: the builder's last word.
    :param texts: the text of each file that shapes the environment, by its path.
    """
    stages = stages_of(lines, outcome="failed")
    last = stages[-1] if stages else None
    trouble = Trouble(last.name if last else "", last.lines if last else (), said, texts)
    return next((found for reader in READERS if (found := reader.read(trouble))), None)
