"""Jupyter Book's launch buttons: the configuration, and the address that a page's button makes.

A book's buttons know one repository and the address of a server. So the environment goes into the
server's address (`/with/<environment>`), unless it is the book's own repository: then it is the
Binder button. No I/O here.
"""

from __future__ import annotations

import json
from urllib.parse import SplitResult, quote, urlencode

from link_generator.addresses import plain_address
from link_generator.binder_spec import compose_spec
from link_generator.dialects.draft import Draft, refuse_extras
from link_generator.dialects.gitpull import clone_folder
from link_generator.dialects.jupyterhub import escape_env
from link_generator.dialects.opening import compose_opening
from link_generator.dialects.place import Composed, Place, address
from link_generator.env_part import env_address
from link_generator.errors import BadLink

LABEL = "Jupyter Book"
HOST = ""
INTERFACES = {"lab": "jupyterlab", "notebook": "classic"}


def compose(draft: Draft, place: Place) -> Composed:
    """:raises BadLink: the buttons cannot do it; `field` names the part."""
    refuse_extras(draft, LABEL)
    draft.link()  # says so if there is no environment
    for name in ("dir", "urlpath"):
        if getattr(draft, name):
            raise BadLink(name, f"Jupyter Book's buttons know no {name}.", "Leave it out.")
    if not draft.repo:
        raise BadLink("repo", "The book's repository is missing.", "Add its address as repo=.")
    if draft.app not in INTERFACES:
        raise BadLink("app", "Jupyter Book's buttons open JupyterLab or Notebook only.")
    repo = plain_address(draft.repo)
    base = place.base(HOST)
    branch = draft.branch or "HEAD"  # without one, the theme would say master
    if (plain_address(env_address(draft.env)), draft.tag) == (repo, draft.branch):
        opened, notes = compose_opening(draft, "")
        url = address(
            base, f"/v2/{compose_spec(repo, draft.branch)}", f"urlpath={quote(opened, safe='/')}"
        )
        server = ("binderhub_url", address(base, "", ""))
    else:
        opened, notes = compose_opening(draft, clone_folder(repo))
        within = f"/with/{escape_env(draft.env, draft.tag)}"
        query = urlencode([("repo", repo), ("urlpath", opened), ("branch", branch)], safe="/")
        url = address(base, f"{within}/hub/user-redirect/git-pull", query)
        server = ("jupyterhub_url", address(base, within, ""))
    return Composed(url, notes, config(repo, branch, INTERFACES[draft.app], server))


def config(repo: str, branch: str, interface: str, server: tuple[str, str]) -> str:
    """The part of `_config.yml`; JSON's strings are YAML's too."""
    name, value = server
    return "\n".join(
        [
            "repository:",
            f"  url: {json.dumps(repo)}",
            f"  branch: {json.dumps(branch)}",
            "launch_buttons:",
            f"  notebook_interface: {interface}",
            f"  {name}: {json.dumps(value)}",
            "",
        ]
    )


def parse(parts: SplitResult) -> tuple[Draft, tuple[str, ...]] | None:
    """Its buttons make links of Binder and of a hub, which those read."""
    return None
