"""A rehearsal runs the notebook that the session's server has, and says so where it is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from launcher.rehearsal import rehearsal
from launcher.rehearsal.click import ClickFailed
from launcher.rehearsal.rehearsal import Limit, run_cells


@dataclass
class FakeClick:
    """A session with one notebook, in which a cell that says `fail` fails."""

    content: dict
    ran: list = field(default_factory=list)
    now: float = 0.0

    def notebook(self, path):
        return self.content

    def kernel(self, name, path):
        return "k"

    def run(self, code, *, kernel, timeout):
        self.ran.append(code)
        lasts = float(code.removeprefix("sleep ")) if code.startswith("sleep ") else 0.0
        self.now += min(lasts, timeout)
        if lasts > timeout:
            raise ClickFailed(f"The cell took longer than {timeout:.0f} s.")
        if "fail" in code:
            raise ClickFailed("The cell raised it")


def cell(source, kind="code", **metadata):
    return {"cell_type": kind, "source": source, "metadata": metadata}


def limit():
    return Limit(3600.0)


@pytest.mark.parametrize("tags", [[], ["raises-exception"]])
def test_all_cells_together_have_a_limit_and_what_it_ended_is_said(monkeypatch, tags):
    click, ran = FakeClick({"cells": [cell("sleep 50", tags=tags) for _ in range(9)]}), []
    monkeypatch.setattr(rehearsal, "time", SimpleNamespace(monotonic=lambda: click.now))
    with pytest.raises(ClickFailed, match="Cell 3: the rehearsal took longer than its 2 min"):
        ran.extend(run_cells(click, "a.ipynb", print, 60, Limit(120.0)))
    assert click.now == 120.0
    assert len(click.ran) == 3


def run(*cells):
    click, said = FakeClick({"cells": list(cells)}), []
    return list(run_cells(click, "a.ipynb", said.append, 60, limit())), click.ran, said


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
        list(run_cells(click, "a.ipynb", print, 60, limit()))
    assert click.ran == []
