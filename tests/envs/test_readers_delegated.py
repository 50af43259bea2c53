"""What only repo2docker builds: recognised, with the files that count for it or not."""

import pytest

from envs.errors import BadEnvironment, NotOffered
from envs.readers import read_recipe


@pytest.fixture
def recipe(tmp_path):
    def recipe(*names, delegate=False):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("")
        return read_recipe(tmp_path, delegate=delegate)

    return recipe


@pytest.mark.parametrize(
    ("name", "language"),
    [("Project.toml", "Julia"), ("JuliaProject.toml", "Julia"), ("default.nix", "Nix")],
)
def test_each_language_is_for_repo2docker_and_says_which_file_asks(recipe, name, language):
    found = recipe(f"binder/{name}", "binder/apt.txt")
    assert found.kind == "repo2docker"
    assert found.delegated == f"binder/{name} asks for {language}"
    assert found.used == (f"binder/{name}", "binder/apt.txt")


def test_julia_combines_with_python_and_nix_does_not(recipe):
    found = recipe(
        "Project.toml", "Manifest.toml", "environment.yml", "requirements.txt", "start", "Pipfile",
        "runtime.txt", "default.nix", "install.R",
    )  # fmt: skip
    assert set(found.used) == {
        "Project.toml", "Manifest.toml", "environment.yml", "requirements.txt", "start",
    }  # fmt: skip
    assert {name for name, _ in found.ignored} == {
        "Pipfile", "runtime.txt", "default.nix", "install.R",
    }  # fmt: skip
    assert "Julia" in dict(found.ignored)["Pipfile"]


def test_nix_hides_python(recipe):
    found = recipe("default.nix", "postBuild", "requirements.txt", "setup.py")
    assert found.used == ("default.nix", "postBuild")
    assert {name for name, _ in found.ignored} == {"requirements.txt", "setup.py"}


def test_require_is_always_refused_with_advice(recipe):
    with pytest.raises(BadEnvironment, match="REQUIRE") as caught:
        recipe("REQUIRE", "default.nix")
    assert "Project.toml" in caught.value.hint


def test_a_dockerfile_wins_over_every_language(recipe, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    found = recipe("Project.toml", "REQUIRE")
    assert found.kind == "dockerfile"
    assert {name for name, _ in found.ignored} == {"Project.toml", "REQUIRE"}


def test_apt_txt_cannot_inject_anything_there_either(recipe, tmp_path):
    """repo2docker itself lets `curl; id` through."""
    (tmp_path / "apt.txt").write_text("curl; id\n")
    with pytest.raises(BadEnvironment, match="line 1"):
        recipe("Project.toml")


def test_the_settings_can_hand_over_anything(recipe, tmp_path):
    found = recipe("requirements.txt", "Pipfile", delegate=True)
    assert (found.kind, found.used) == ("repo2docker", ("Pipfile",))
    (tmp_path / "environment.yml").write_text("dependencies: ['python>=4']")
    with pytest.raises(NotOffered):
        recipe()
    assert recipe(delegate=True).kind == "repo2docker"
