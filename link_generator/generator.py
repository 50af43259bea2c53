"""The fields of the page as links, in every form that it shows. Contacts nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from link_generator.badges import compose_badges
from link_generator.choices import Choices
from link_generator.dialects import Composed, Place
from link_generator.errors import BadLink
from link_generator.form import Filled, fill, no_names, plain, write, write_all
from link_generator.link import Link
from link_generator.snippets import compose_button, compose_lms, label_of

Check = Callable[[Link], Sequence[Any]]
"""Looks at what a link names; rows with `name`, `state`, `sentence` and `hint`."""


@dataclass(frozen=True)
class Generator:
    """What the page needs; the last three are the launcher's own."""

    public_url: str
    catalogue: Mapping[str, Any]
    """The environments that links may call by name."""
    check: Check | None = None
    choices: Choices | None = None
    form_token: Callable[[], str] | None = None
    """What a form that changes something sends back; without it, nothing can be rehearsed."""

    def read(self, given: Mapping[str, str], *, pasted: bool = False) -> Filled:
        """The fields as understood; branches with a slash are those that exist.

        :raises BadLink: a field that cannot work.
        """
        fields = {**given}
        pin = fields.pop("pin", "")
        if plain(fields.get("repo", "")).startswith(f"{self.public_url.rstrip('/')}/go/"):
            raise BadLink(
                "repo",
                "This is a short link of this server, not a repository.",
                "Change what it opens under Short links, or paste the link that it leads to.",
            )
        names = self.choices.names if self.choices else no_names
        filled = fill(fields, pasted=pasted, names=names)
        return self.pinned(filled) if pin else filled

    def pinned(self, filled: Filled) -> Filled:
        """The link of exactly the commit that the branch names now."""
        draft = filled.draft
        commit = self.choices.commit(draft.repo, draft.branch) if self.choices else ""
        if draft.repo and not commit:
            note = "The commit could not be looked up, so the link follows the branch."
            return replace(filled, notes=(*filled.notes, note))
        return replace(filled, draft=replace(draft, branch=commit))

    def everywhere(self, filled: Filled, place: Place) -> dict[str, Any]:
        """One answer with all that the page shows; hubs' links lead to `place`.

        :raises BadLink: there is no link of this launcher.
        """
        own = write(filled, "launcher", Place(), self.public_url)
        links = write_all(filled, place, self.public_url)
        label = label_of(filled.draft)
        linked = filled.fields | {"branch": filled.draft.branch}
        return {
            "url": own.url,
            "fields": filled.fields,
            "form": filled.form,
            "read": filled.read,
            "warnings": filled.notes,
            "links": {name: shown(made) for name, made in links.items()},
            "qr": f"/api/link/qr.svg?{urlencode(linked)}",
            "badges": compose_badges(own.url, f"{self.public_url.rstrip('/')}/static/badge.svg"),
            "label": label,
            "button": compose_button(own.url, label),
            "lms": compose_lms(own.url, label),
        }


def shown(made: Composed | BadLink) -> dict[str, Any]:
    if isinstance(made, BadLink):
        return {"error": as_dict(made)}
    return {"url": made.url, "config": made.config, "warnings": made.notes}


def as_dict(bad: BadLink) -> dict[str, str]:
    return {"field": bad.field, "message": bad.message, "hint": bad.hint}
