"""The programs that open the content in a session. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class App:
    """A program that opens the content, and where it lives inside a session."""

    label: str
    opens: str
    """Path in the session before the file's; for programs that open no file, all of it."""
    files: bool = True
    everywhere: bool = True
    """False for programs that only some images bring; the page does not offer those by itself."""

    def target(self, folder: str, path: str) -> str:
        """The address inside the session, relative to the session's own; cannot leave it."""
        if not self.files:
            return self.opens
        parts = [part for part in f"{folder}/{path}".split("/") if part]
        opens = self.opens
        if opens == "notebooks" and not path.endswith(".ipynb"):
            opens = "tree"
        return "/".join([opens, *(quote(part, safe="") for part in parts)])


APPS = {
    "lab": App("JupyterLab", "lab/tree"),
    "notebook": App("Notebook", "notebooks"),
    "terminal": App("Terminal", "terminals/1", files=False),
    "rstudio": App("RStudio", "rstudio/", files=False, everywhere=False),
    "vscode": App("VS Code", "vscode/", files=False, everywhere=False),
}
