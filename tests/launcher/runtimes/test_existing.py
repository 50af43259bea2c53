"""Which registries the engine is made to ask, and what is told of their answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from docker.errors import APIError, ImageNotFound

from envs.errors import BuildFailed, GitHostDown, HostNotAllowed
from envs.git import Git
from envs.halt import NO_HALT
from envs.version_cache import VersionCache
from launcher.runtimes.docker.existing import ExistingImages, registry_of
from tests.logged import said_by

DIGEST = "sha256:" + "a" * 64
INSIDE = "10.0.0.1:5000/org/x"
PUBLIC = "9.9.9.9/org/x"


@dataclass
class Engine:
    """Has no image, and notes which it is to ask for; registries answer with a secret."""

    asked: list[str] = field(default_factory=list)

    @property
    def client(self):
        def get(name):
            if "::" in name:
                raise APIError("400 Client Error", explanation="invalid reference format")
            raise ImageNotFound(name)

        return SimpleNamespace(images=SimpleNamespace(get=get, get_registry_data=self.pull))

    def pull(self, name, *_, **__):
        self.asked.append(name)
        raise APIError("500 Server Error", explanation="body: s3cret of the network")


@pytest.fixture
def engine():
    return Engine()


@pytest.mark.parametrize("ref", ["1", DIGEST])
@pytest.mark.parametrize("registries", [("*",), ("quay.io",)])
def test_a_registry_that_links_may_not_name_is_not_asked(engine, ref, registries):
    existing = ExistingImages(engine, registries)
    with pytest.raises(HostNotAllowed, match="does not fetch from"):
        VersionCache(Git(), digest=existing.digest).resolve(f"docker:{INSIDE}", ref)
    assert not engine.asked


def test_nor_is_it_where_a_version_was_remembered_from_before(engine):
    with pytest.raises(HostNotAllowed, match="does not fetch from"):
        ExistingImages(engine).ensure(f"{INSIDE}@{DIGEST}", say=print, halt=NO_HALT)
    assert not engine.asked


@pytest.mark.parametrize("registries", [("10.0.0.1:5000",), ("10.0.0.1",)])
def test_one_that_the_settings_name_is_asked(engine, registries):
    existing = ExistingImages(engine, registries)
    version = VersionCache(Git(), digest=existing.digest).resolve(f"docker:{INSIDE}", DIGEST)
    assert (version.commit, version.kind) == ("a" * 64, "commit")
    with pytest.raises(BuildFailed):
        existing.ensure(f"{INSIDE}@{DIGEST}", say=print, halt=NO_HALT)
    assert engine.asked == [INSIDE]


def test_an_image_of_the_catalogue_may_be_anywhere(engine):
    existing = ExistingImages(engine, trusted=frozenset([INSIDE]))
    with pytest.raises(BuildFailed, match="s3cret"):
        existing.ensure(f"{INSIDE}@{DIGEST}", say=print, halt=NO_HALT)


def told(existing, name):
    """All that somebody reads of an image that cannot be had, by tag, by digest and after FROM."""
    with pytest.raises(GitHostDown) as by_tag:
        existing.digest(name, "1")
    with pytest.raises(BuildFailed) as by_digest:
        existing.ensure(f"{name}@{DIGEST}", say=print, halt=NO_HALT)
    with pytest.raises(BuildFailed, match="cannot be fetched") as below:
        existing.below(f"{name}:1", say=print, halt=NO_HALT)
    return "".join(one.value.message + one.value.hint for one in (by_tag, by_digest, below))


def test_the_answer_of_a_strangers_registry_is_in_the_log_alone(engine, caplog):
    assert "s3cret" not in told(ExistingImages(engine), PUBLIC)
    assert [one.said for one in said_by(caplog, "launcher.runtimes.docker.existing")] == [
        "body: s3cret of the network"
    ] * 3


@pytest.mark.parametrize("name", [PUBLIC, "org/x"])
def test_what_a_registry_of_the_settings_or_docker_hub_answers_is_told(engine, name):
    assert told(ExistingImages(engine, ("9.9.9.9", "docker.io")), name).count("s3cret") == 3


def test_a_from_that_names_no_image_is_a_sentence_with_the_engines_reason(engine):
    with pytest.raises(BuildFailed, match=r"python::latest cannot be .* invalid reference format"):
        ExistingImages(engine).below("python::latest", say=print, halt=NO_HALT)


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("image", "docker.io"),
        ("org/image", "docker.io"),
        ("quay.io/org/image", "quay.io"),
        ("localhost/image", "localhost"),
        ("intranet:5000/image", "intranet:5000"),
        ("INTRANET/image", "INTRANET"),
    ],
)
def test_the_registry_is_the_one_that_the_engine_asks(name, host):
    assert registry_of(name) == host
