"""A rehearsal runs the notebook that the session's server has, and says so where it is none."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from launcher.rehearsal.click import ClickFailed
from launcher.rehearsal.rehearsal import run_cells


@dataclass
class FakeClick:
    """A session with one notebook, in which a cell that says `fail` fails."""

    content: dict
    ran: list = field(default_factory=list)

    def notebook(self, path):
        return self.content

    def kernel(self, name, path):
        return "k"

    def run(self, code, *, kernel, timeout):
        self.ran.append(code)
        if "fail" in code:
            raise ClickFailed("The cell raised it")


def cell(source, kind="code", **metadata):
    return {"cell_type": kind, "source": source, "metadata": metadata}


def run(*cells):
    click, said = FakeClick({"cells": list(cells)}), []
    return list(run_cells(click, "a.ipynb", said.append, 60)), click.ran, said


def test_code_runs_top_to_bottom_and_nothing_else_does():
    cells = cell("# Title", "markdown"), cell(["a = 1\n", "b"]), cell(" \n"), cell("c")
    assert run(*cells) == ([1, 2], ["a = 1\nb", "c"], ["  cell 2 of 4", "  cell 4 of 4"])


def test_the_first_cell_that_fails_is_named_by_its_number_unless_that_is_meant():
    assert run(cell("fail", tags=["raises-exception"]), cell("a"))[0] == [1, 2]
    with pytest.raises(ClickFailed, match="Cell 2: The cell raised it"):
        run(cell("a"), cell("fail"))


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"cells": None},
        {"cells": 7},
        {"cells": ["x"]},
        {"cells": [{}]},
        {"cells": [{"cell_type": "code", "metadata": {}}]},
        {"cells": [cell(None)]},
        {"cells": [cell([7])]},
        {"cells": [{"cell_type": "code", "source": "a", "metadata": []}]},
        {"cells": [cell("a", tags=None)]},
    ],
)
def test_what_is_no_notebook_is_said_in_a_sentence(content):
    click = FakeClick(content)
    with pytest.raises(ClickFailed, match="no notebook"):
        list(run_cells(click, "a.ipynb", print, 60))
    assert click.ran == []
