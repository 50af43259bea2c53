"""`launcher env`: sentences for people, JSON for programs, no traceback for anybody."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import pytest

from envs.channels import Channels
from envs.git import Git
from envs.store import Store
from envs.version_cache import VersionCache
from launcher.__main__ import main
from tests.envs.fake_builder import FileBuilder
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for


@pytest.fixture
def repo(tmp_path):
    return Repo.create(
        tmp_path / "git" / "env", {"requirements.txt": "numpy\n", "apt.txt": "tree\n"}, tag="v1"
    )


@pytest.fixture
def builder(tmp_path):
    (tmp_path / "images").mkdir()
    return FileBuilder(tmp_path / "images")


@pytest.fixture
def env(tmp_path, monkeypatch, repo, builder):
    """The environment at v1, on a launcher whose images are files."""
    with GitServer(tmp_path / "git") as host:
        git = Git((host.host,), timeout=120)
        parts = SimpleNamespace(
            git=git,
            channels=Channels(tmp_path / "builds/channels.json"),
            versions=VersionCache(git),
            store=Store(tmp_path / "builds", builder, git),
            runtime=SimpleNamespace(images=builder),
        )
        monkeypatch.setattr("launcher.parts.create_parts", lambda config: parts)
        monkeypatch.setenv("HOME", str(tmp_path))
        yield f"git/{host.url('env')}@v1"


@pytest.fixture
def run(capsys, tmp_path):
    def run(*words):
        code = main(["env", *words, "--data", str(tmp_path / "data")])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def test_build_shows_the_log_and_then_the_image(run, env):
    code, out, _ = run("build", env)
    assert code == 0
    assert "Used: apt.txt, requirements.txt" in out
    assert "is ready after" in out.splitlines()[-1]


def test_build_as_json_prints_json_and_nothing_else(run, env):
    code, out, _ = run("build", env, "--json")
    assert code == 0
    assert json.loads(out)["image"].startswith("env/env:")


def test_the_second_build_builds_nothing(run, env, builder):
    run("build", env)
    code, out, _ = run("build", env)
    assert code == 0
    assert len(out.splitlines()) == 1
    assert builder.count() == 1


def test_list_names_what_is_built_and_what_failed(run, env, repo):
    assert run("list")[1].strip() == "No environment is built yet."
    run("build", env)
    repo.commit({"requirements.txt": "broken\n"})
    assert run("build", env.replace("@v1", "@main"))[0] == 1
    code, out, _ = run("list")
    assert code == 0
    assert "FAILED: broken is not a package" in out
    listed = json.loads(run("list", "--json")[1])
    assert len(listed["failed"]) == 1


def test_logs_are_found_by_image_and_by_environment(run, env):
    name = json.loads(run("build", env, "--json")[1])["image"]
    by_name = run("logs", name)
    assert by_name[0] == 0
    assert "line 2" in by_name[1]
    assert run("logs", env) == by_name


def test_logs_of_what_was_never_built_say_so(run, env):
    code, _, err = run("logs", env)
    assert code == 1
    assert "never built" in err


def test_logs_that_are_followed_end_with_the_outcome_and_its_exit_code(run, env, repo):
    run("build", env)
    code, out, _ = run("logs", "-f", env)
    assert code == 0
    assert "was ready after" in out.splitlines()[-1]
    repo.commit({"requirements.txt": "broken\n"})
    run("build", env.replace("@v1", "@main"))
    code, out, _ = run("logs", "--follow", env.replace("@v1", "@main"))
    assert code == 1
    assert out.splitlines()[-1].endswith("broken is not a package")
    code, out, _ = run("logs", "-f", "--json", env.replace("@v1", "@main"))
    assert code == 1
    assert json.loads(out)["build"]["outcome"] == "failed"


def test_dockerfile_of_a_folder_needs_neither_engine_nor_git(run, env, repo):
    code, out, _ = run("dockerfile", str(repo.folder))
    assert code == 0
    assert out.startswith("FROM launcher/base:3.11\n")
    assert "apt-get install" in out
    assert "/tmp/requirements.txt" in out


def test_a_dockerfile_is_the_one_that_the_builder_would_build(run, env, repo, builder, monkeypatch):
    monkeypatch.setattr(
        builder, "dockerfile", lambda recipe, *, source: f"FROM mine\nCOPY {source.name} /\n"
    )
    assert run("dockerfile", str(repo.folder))[1] == f"FROM mine\nCOPY {repo.folder.name} /\n"


def test_dockerfile_of_a_tag_is_the_one_of_its_commit(run, env, repo):
    repo.commit({"apt.txt": "graphviz\n"})
    assert "tree" in run("dockerfile", env)[1]
    assert json.loads(run("dockerfile", env, "--json")[1])["recipe"]["apt"] == ["tree"]


def test_a_dockerfile_is_printed_as_its_author_wrote_it(run, env, repo):
    repo.commit({"Dockerfile": "FROM launcher/base:3.11\nRUN true\n"})
    assert run("dockerfile", str(repo.folder))[1] == "FROM launcher/base:3.11\nRUN true\n"


@pytest.mark.parametrize("action", ["build", "logs", "lock", "dockerfile"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("@v1", "@v2"), "no tag or branch called v2"),
        (("/env@", "/nothing-here@"), "no repository"),
        (("git/http", "git/ftp"), "is not an https or ssh address"),
    ],
)
def test_trouble_is_a_sentence_with_a_way_out(run, env, action, change, said):
    code, _, err = run(action, env.replace(*change))
    assert code == 1
    assert said in err
    assert len(err.splitlines()) == 2, "the sentence and the hint"


def test_a_name_that_nobody_knows_is_a_sentence(run, env):
    code, _, err = run("build", "intro-ds@v1")
    assert code == 1
    assert "intro-ds" in err


def test_wrong_words_are_told_by_the_parser(run):
    with pytest.raises(SystemExit) as caught:
        run("bild")
    assert caught.value.code == 2


def test_what_another_file_asks_of_pip_is_shown_with_the_dockerfile(run, env, repo):
    (repo.folder / "environment.yml").write_text("dependencies: [python, pip: [six==1.16.0]]\n")
    out = run("dockerfile", str(repo.folder))[1]
    assert "# .launcher-requirements.txt: six==1.16.0" in out
    assert ".launcher-requirements.txt" in out.split("FROM")[1]


def test_the_lock_of_what_was_built_is_printed(run, env, builder):
    code, _, err = run("lock", env)
    assert code == 1
    assert "env build" in err
    builder.packages = "numpy==2.1.0\n"
    run("build", env)
    assert run("lock", env)[1] == "numpy==2.1.0\n"
    assert json.loads(run("lock", env, "--json")[1])["packages"] == ["numpy==2.1.0"]


def test_cancel_ends_a_build_that_runs(run, env, builder, tmp_path):
    code, _, err = run("cancel", env)
    assert (code, "not being built" in err) == (1, True)
    name = json.loads(run("build", env, "--json")[1])["image"]
    builder.remove_image(name)
    builder.pause, builder.lines = 0.05, 5000
    codes = []
    building = threading.Thread(target=lambda: codes.append(main(["env", "build", env])))
    building.start()
    wait_for(lambda: run("cancel", name)[0] == 0, 60)
    building.join(60)
    assert codes == [1]
    assert builder.find_image(name) is None


def test_watch_builds_what_the_catalogue_names(run, env, repo, builder, tmp_path):
    address = env.removeprefix("git/").rpartition("@")[0]
    settings = tmp_path / "settings.yml"
    settings.write_text(
        "environments:\n  tag_life: 0s\n  catalogue:\n"
        f"    broken: {{repo: '{address}', tag: none}}\n"
        f"    course: {{repo: '{address}', tag: main}}\n"
    )
    words = ("watch", "--once", "--settings", str(settings))
    code, out, _ = run(*words)
    assert code == 1, "one of them cannot be built"
    assert "broken: " in out
    assert "course: env/env:" in out
    assert builder.count() == 1
    run(*words)
    assert builder.count() == 1
    repo.commit({"apt.txt": "curl\n"})
    run(*words)
    assert builder.count() == 2


def test_watch_without_a_catalogue_says_so(run, env):
    code, _, err = run("watch", "--once")
    assert code == 1
    assert "environments.catalogue" in err


@pytest.fixture
def course(run, env, tmp_path):
    """Runs a command for a catalogue whose `course` is at v1."""
    address = env.removeprefix("git/").rpartition("@")[0]
    settings = tmp_path / "settings.yml"
    settings.write_text(
        f"environments: {{catalogue: {{course: {{repo: '{address}', tag: v1}}}}}}\n"
    )
    return lambda *words: run(*words, "--settings", str(settings))


def commit_of(course, name):
    return json.loads(course("build", name, "--json")[1])["commit"]


def test_promote_and_roll_back(course, repo, builder, tmp_path, capsys):
    first = commit_of(course, "course")
    second = repo.commit({"apt.txt": "curl\n"})
    repo.git("tag", "v2")
    assert "no next version" in course("build", "course@next")[2]
    assert course("promote", "course", "v2", "--next")[0] == 0
    assert commit_of(course, "course@next") == second
    assert commit_of(course, "course") == commit_of(course, "course@stable") == first
    assert "course@stable is v2 now" in course("promote", "course")[1]
    assert commit_of(course, "course") == second
    assert commit_of(course, "course@v1") == first, "a tag stays what it is"
    assert "is v1 again" in course("rollback", "course")[1]
    assert commit_of(course, "course") == first
    code, _, err = course("rollback", "course")
    assert (code, "no earlier version" in err) == (1, True)
    assert builder.count() == 2
    main(["audit", "--json", "--data", str(tmp_path / "data")])
    whats = [(one["what"], one["detail"]) for one in json.loads(capsys.readouterr().out)]
    assert ("environment rolled back", "v2 -> v1") in whats
    assert ("environment is stable", "v1 -> v2") in whats


def test_what_cannot_be_built_is_not_promoted(course, repo):
    first = commit_of(course, "course")
    repo.commit({"requirements.txt": "broken\n"})
    repo.git("tag", "v2")
    assert course("promote", "course", "v2")[0] == 1
    assert commit_of(course, "course") == first
    assert course("promote", "course", "none")[0] == 1
    assert course("promote", "other", "v2")[0] == 1
    assert course("promote", "course")[0] == 1
