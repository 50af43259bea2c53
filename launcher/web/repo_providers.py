"""What `/api/repoproviders` tells BinderHub's own pages about the addresses that work here."""

from __future__ import annotations

from typing import Any

REF = {"enabled": True, "default": "HEAD"}
TWO_PARTS = r"[^/]+\/[^/]+\/.+"
"""A repository as one escaped part or as owner and name, then the ref."""

REPO_PROVIDERS: list[dict[str, Any]] = [
    {
        "displayName": "GitHub",
        "id": "gh",
        "spec": {"validateRegex": TWO_PARTS},
        "detect": {"regex": r"^(https?:\/\/github.com\/)?(?<repo>[^/]+\/[^/]+?)(\.git)?\/?$"},
        "repo": {
            "label": "GitHub repository name or URL",
            "placeholder": "for example org/course",
        },
        "ref": REF,
    },
    {
        "displayName": "GitLab.com",
        "id": "gl",
        "spec": {"validateRegex": r"[^/]+\/.+"},
        "detect": {"regex": r"^(https?:\/\/gitlab.com\/)?(?<repo>.+?)(\.git)?\/?$"},
        "repo": {
            "label": "GitLab.com repository or URL",
            "placeholder": "for example group/course",
            "urlEncode": True,
        },
        "ref": REF,
    },
    {
        "displayName": "Git repository",
        "id": "git",
        "spec": {"validateRegex": r"[^/]+\/.+"},
        "repo": {
            "label": "Any git repository's URL",
            "placeholder": "for example https://git.example.org/course",
            "urlEncode": True,
        },
        "ref": REF,
    },
    {
        "displayName": "Gist",
        "id": "gist",
        "spec": {"validateRegex": r"[^/]+\/[0-9a-f]+(\/[0-9a-f]+)?"},
        "detect": {"regex": r"^(https?:\/\/gist.github.com\/)?(?<repo>[^/]+\/[0-9a-f]+)\/?$"},
        "repo": {"label": "Gist ID (user/id) or URL", "placeholder": "for example user/a1b2c3"},
        "ref": REF,
    },
]
