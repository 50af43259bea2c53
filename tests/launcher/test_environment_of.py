"""What a link's environment stands for: a repository or image, and a tag."""

from __future__ import annotations

import pytest

from envs.channels import Channels
from launcher.config import CatalogueEntry
from launcher.launch import environment_of
from link_generator.link import Link

CATALOGUE = {
    "intro": CatalogueEntry("gh/org/intro", "2025.1"),
    "pangeo": CatalogueEntry("docker:quay.io/pangeo/pangeo-notebook:2021.09.30"),
    "other": CatalogueEntry("docker:quay.io/org/other", "2"),
}


@pytest.mark.parametrize(
    ("env", "tag", "found"),
    [
        ("gh/org/r", "v1", ("https://github.com/org/r", "v1")),
        ("intro", "", ("https://github.com/org/intro", "2025.1")),
        ("intro", "2026", ("https://github.com/org/intro", "2026")),
        ("docker:quay.io/org/x:1", "", ("docker:quay.io/org/x", "1")),
        ("docker:quay.io/org/x:1", "sha256:" + "a" * 64,
         ("docker:quay.io/org/x", "sha256:" + "a" * 64)),
        ("pangeo", "", ("docker:quay.io/pangeo/pangeo-notebook", "2021.09.30")),
        ("pangeo", "2025", ("docker:quay.io/pangeo/pangeo-notebook", "2025")),
        ("other", "", ("docker:quay.io/org/other", "2")),
    ],
)  # fmt: skip
def test_an_environment_is_an_address_and_a_tag(tmp_path, env, tag, found):
    channels = Channels(tmp_path / "channels.json")
    assert environment_of(Link(env=env, tag=tag), CATALOGUE, channels) == found
