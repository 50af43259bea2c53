"""The engine fetches nothing for a Dockerfile but images, however its lines are written."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from envs.errors import BadEnvironment
from launcher.runtimes.docker.downloads import (
    beginning_with,
    refuse_downloads,
    refuse_triggers,
    without_syntax_line,
)
from launcher.runtimes.docker.engine import Engine
from launcher.runtimes.docker.limits import BuildLimits


@pytest.mark.parametrize(
    "line",
    [
        "ADD http://169.254.169.254/latest /x",
        'ADD ["https://example.org/a.tar", "/x"]',
        "add --chown=1000:1000 a.txt git@example.org:repo.git /x",
        "ADD --checksum=sha256:1f http://10.0.0.1/ /x",
        "ADD --link --keep-git-dir=true http://10.0.0.1/ --x",
        "ADD $FROM /x",
        "ADD h${REST}/a /x",
        "ONBUILD ADD http://10.0.0.1/ /x",
        "ONBUILD\tADD\thttp://10.0.0.1/\t/x",
        "\u3000ADD http://10.0.0.1/ /x",
        'ADD http://10.0.0.1/ ""',
        "ADD http://10.0.0.1/ []",
    ],
)
def test_an_add_that_the_engine_would_download_is_refused(line):
    with pytest.raises(BadEnvironment, match="ADD fetch"):
        refuse_downloads(f"FROM launcher/base:3.11\n{line}\n")


@pytest.mark.parametrize(
    "lines",
    [
        "ADD a.txt \\\n # why\n http://10.0.0.1/ \\\n /x",
        "AD\\\nD http://10.0.0.1/ /x",
        "\\\nADD http://10.0.0.1/ /x",
        "A\\\n\n# why\n\t\nDD a ht\\\ntp://10.0.0.1/ \\  \n/x",
        "ONBUILD A\\\nDD http://10.0.0.1/ /x",
        "ADD foo \\\n\nhttp://10.0.0.1/ /x/",
        "ADD foo \\\n\u3000# why\nhttp://10.0.0.1/ /x/",
        "ADD foo \\\n\x1f# no comment http://10.0.0.1/ /x/",
        "# escape=`\nFROM x\nADD foo `\nhttp://10.0.0.1/ /x/",
        "RUN echo `date`\nADD http://10.0.0.1/ /x/",
        "RUN echo \\\\\nADD http://10.0.0.1/ /x",
        "ADD foo \\\\\nhttp://10.0.0.1/ /x",
        "# a comment ends here \\\nADD http://10.0.0.1/ /x",
    ],
)
def test_lines_are_joined_as_the_engine_joins_them(lines):
    with pytest.raises(BadEnvironment, match="ADD fetch"):
        refuse_downloads(f"{lines}\n")


@pytest.mark.parametrize(
    "lines",
    [
        "RUN <<EOF\ntrue \\\nEOF\nADD http://10.0.0.1/ /x",
        "RUN <<'E\\'\ntrue\nE\\\nAD\\\nD http://10.0.0.1/ /x",
        "ADD <<EOF http://10.0.0.1/ /x/\nEOF",
        "COPY <<EOF /x\n# escape=`\nEOF\nADD $URL /x",
    ],
)
def test_a_heredoc_hides_no_add(lines):
    with pytest.raises(BadEnvironment, match="ADD fetch"):
        refuse_downloads(f"FROM launcher/base:3.11\n{lines}\n")


@pytest.mark.parametrize(
    "files",
    [
        r'["http\u003a//10.0.0.1/", "/x"]',
        r'["\u0068ttp://10.0.0.1/", "/x"]',
        '["http://10.0.0.1/","/x"]',
        '["a"] http://10.0.0.1/ /x',
        "[NaN] http://10.0.0.1/ /x",
        '["a" http://10.0.0.1/',
        r'--chown="1 2" ["http\u003a//10.0.0.1/","/x"]',
        '--chown=1\xa0["http://10.0.0.1/","/x"]',
        "[" * 100_000 + " http://10.0.0.1/ /x",
    ],
)
def test_a_list_hides_no_address(files):
    with pytest.raises(BadEnvironment, match="ADD fetch"):
        refuse_downloads(f"FROM launcher/base:3.11\nADD {files}\n")


@pytest.mark.parametrize(
    "line",
    [
        "ADD a.txt b.txt /x/",
        "ADD --chown=1000:1000 data/${NAME}.tar /x",
        "ADD --chown=$NB_UID:$NB_GID a.txt $HOME/",
        'ADD ["a b.txt", "$HOME/"]',
        "ADD <<EOF /x\nhttp://example.org\nEOF",
        "COPY http:/a /x",
        "RUN curl http://example.org/a > /x",
        "RUN apk \\\n  # why\n  add --no-cache git@edge \\\n  more",
        "RUN conda \\\n  add http://example.org/a /x",
        "ENV ADD=http://example.org",
        "# ADD http://example.org /x",
    ],
)
def test_an_add_of_files_is_not(line):
    refuse_downloads(f"FROM launcher/base:3.11\n{line}\n")


@pytest.mark.parametrize("lines", ["A\\\n", "\\\n", "#\n\\\n", "ADD a \\\n", "\\ \\ \n", "<<\n"])
def test_no_file_takes_long_to_look_at(lines):
    text = "RUN <<EOF\n" + lines * (1_000_000 // len(lines))
    began = time.process_time()
    try:
        refuse_downloads(text)
    except BadEnvironment as refused:
        assert "go on in the next" in refused.message
    assert time.process_time() - began < 20


FROM = "FROM launcher/base:3.11"


@pytest.mark.parametrize(
    "lines",
    [
        ["# syntax=evil/frontend"],
        ["#\tSyntax = evil/frontend"],
        ["\ufeff# syntax=evil/frontend"],
        ["# syntax=a/b", "\ufeff# syntax=evil/frontend"],
        ["// syntax=evil/frontend"],
        ["#!/usr/bin/env docker", "//syntax=evil/frontend"],
        ["# escape=`", "", " #syntax=evil/frontend"],
    ],
)
def test_a_line_that_names_a_frontend_is_left_out_and_said(lines):
    said = []
    text = without_syntax_line([*lines, FROM], said.append)
    assert "evil" not in text
    assert text.endswith(f"{FROM}\n")
    assert said[0].startswith("Note: the Dockerfile's `# syntax=` line is left out")


def test_what_is_further_down_stays(tmp_path):
    lines = ["# why", FROM, "RUN <<EOF", "# syntax=a/b", "EOF"]
    assert without_syntax_line(lines, pytest.fail) == "\n".join(lines) + "\n"


def test_a_frontend_in_json_is_refused():
    with pytest.raises(BadEnvironment, match="is JSON"):
        without_syntax_line(['{"syntax": "evil/frontend",', FROM, "}"], pytest.fail)


def begun(text, *, heredocs=False):
    """The images that a Dockerfile begins with, and what becomes of it."""
    found = []

    def find(image):
        found.append(image)
        return f"pinned/{len(found)}"

    return found, beginning_with(text, find, heredocs=heredocs)


@pytest.mark.parametrize(
    ("text", "images", "made"),
    [
        ("FROM a/b:1\nRUN true\n", ["a/b:1"], "FROM pinned/1\nRUN true\n"),
        ("  from --platform=linux/$BUILDARCH a@sha256:1f as X \r\nFROM x\n", ["a@sha256:1f"],
         "FROM pinned/1 as X\nFROM x\n"),
        ("ARG V=3.11\nARG I=python:$V\nFROM ${I}-${S:-slim}\nARG V=2\n", ["python:3.11-slim"],
         "ARG V=3.11\nARG I=python:$V\nFROM pinned/1\nARG V=2\n"),
        ("FROM x\nFROM scratch AS x\nFROM X\n", ["x"],
         "FROM pinned/1\nFROM scratch AS x\nFROM X\n"),
        ("FROM a\nRUN python <<EOF\nfrom os import path\nEOF\n", ["a"],
         "FROM pinned/1\nRUN python <<EOF\nfrom os import path\nEOF\n"),
    ],
)  # fmt: skip
def test_a_dockerfile_begins_with_what_was_looked_at(text, images, made):
    assert begun(text) == (images, made)


@pytest.mark.parametrize(
    "lines",
    [
        "RUN sqlite3 db <<EOF\nSELECT *\nFROM students\nEOF",
        "RUN <<'EOF'\n  from students\n\n# why\nEOF",
        "RUN --mount=type=cache,target=/c cat <<-EOF > /x && cat /x\n\tFROM students\n\t\tEOF",
        'COPY <<"one" <<Two2 /x/\nFROM a\nFROM \\\n b\none\nFROM one\nTwo2',
        "# it's <<not one\nRUN true \\\n # why\n  && true\nadd <<a /x\nFROM students\nEOF\na",
    ],
)
def test_the_text_of_a_heredoc_is_left_to_an_engine_that_reads_them(lines):
    text = f"FROM a\n{lines}\nFROM b\n"
    made = f"FROM pinned/1\n{lines}\nFROM pinned/2\n"
    assert begun(text, heredocs=True) == (["a", "b"], made)
    try:
        assert len(begun(text)[0]) > 2, "another engine begins with it"
    except BadEnvironment as refused:
        assert "not plainly written" in refused.message


@pytest.mark.parametrize(
    ("version", "more", "reads"),
    [
        ("1.41", {}, False),
        ("1.42", {}, True),
        ("1.51", {"legacy": True}, False),
        ("1.51", {"limits": BuildLimits(memory=2**30)}, False),
    ],
)
def test_buildkit_reads_heredocs_since_docker_23_and_the_first_builder_never_does(
    version, more, reads
):
    api = SimpleNamespace(_post=None, _url=None, _stream_helper=None)
    client = SimpleNamespace(api=api, version=lambda: {"ApiVersion": version})
    assert Engine(client, **more).reads_heredocs == reads


@pytest.mark.parametrize(
    "lines",
    [
        "RUN echo \\\nRUN <<EOF\nFROM evil\nEOF",
        "RUN echo '\nRUN <<EOF'\nFROM evil\nEOF",
        'RUN echo "a <<EOF"\nFROM evil\nEOF',
        "RUN echo a<<EOF\nFROM evil\nEOF",
        "RUN cat <<<EOF\nFROM evil\nEOF",
        "RUN cat <<E_F\nFROM evil\nE_F",
        "RUN cat <<E$F\nFROM evil\nE$F",
        "RUN cat <<EOF'\nFROM evil\nEOF",
        'RUN ["<<EOF"]\nFROM evil\nEOF',
        "ENV A <<EOF\nFROM evil\nEOF",
        "RUN cat # <<EOF\nFROM evil\nEOF",
        "RUN <<EOF\nFROM evil",
        "RUN <<EOF\n EOF\nFROM evil\nEOF",
        "RUN <<-EOF\n \tEOF\nFROM evil\nEOF",
        "RUN <<EOF\nEOF\r\nFROM evil\nEOF",
        "RUN <<A\nB\nA\nFROM evil\nB",
        "RUN echo \\\n<<EOF\nFROM evil\nEOF",
        "RUN <<EOF\xa0x\nFROM evil\nEOF\xa0x",
        "# escape=`\nRUN <<EOF\nFROM evil\nEOF",
        "RUN echo `\nRUN <<EOF\nFROM evil\nEOF",
    ],
)
def test_what_may_be_no_heredoc_hides_no_image(lines):
    assert begun(f"FROM a\n{lines}\nFROM b\n", heredocs=True)[0] == ["a", "evil", "b"]


@pytest.mark.parametrize(
    "line",
    [
        "FROM \\\nevil",
        "F\\\nROM evil",
        "FROM evil \\\nAS x",
        'FROM "evil"',
        "FROM ${X#y}evil",
        "FROM\vevil",
        "FROM evil\xa0",
        'FROM --platform="a b" evil',
        "FROM --other evil",
        "RUN <<EOF\nFROM a \\\nEOF\nFROM \\\nevil",
    ],
)
@pytest.mark.parametrize("heredocs", [False, True])
def test_a_from_that_may_be_read_otherwise_is_refused(line, heredocs):
    with pytest.raises(BadEnvironment, match="not plainly written"):
        begun(f"FROM a\n{line}\n", heredocs=heredocs)


@pytest.mark.parametrize(
    ("lines", "images", "made"),
    [
        ("COPY --from=ghcr.io/a/uv:1 /uv /bin/", ["ghcr.io/a/uv:1"],
         "COPY --from=pinned/2 /uv /bin/"),
        ("copy --link --from=evil --chown=1:1 a b\nCOPY --from=evil c d", ["evil"],
         "copy --link --from=pinned/2 --chown=1:1 a b\nCOPY --from=pinned/2 c d"),
        ("RUN --mount=type=bind,from=evil,target=/x \\\n"
         "--mount=FROM=other \\\n  uvx --from=black x",
         ["evil", "other"],
         "RUN --mount=type=bind,from=pinned/2,target=/x \\\n"
         "--mount=FROM=pinned/3 \\\n  uvx --from=black x"),
        ("ONBUILD COPY --from=evil a b", ["evil"], "ONBUILD COPY --from=pinned/2 a b"),
        ("COPY --from=One a b\nCOPY --from=0 a b\nCOPY a --from=x b\nRUN pip --from=x", [],
         "COPY --from=One a b\nCOPY --from=0 a b\nCOPY a --from=x b\nRUN pip --from=x"),
    ],
)  # fmt: skip
def test_files_are_taken_from_images_that_were_looked_at(lines, images, made):
    text = f"FROM a AS one\n{lines}\n"
    assert begun(text) == (["a", *images], f"FROM pinned/1 AS one\n{made}\n")


@pytest.mark.parametrize(
    ("lines", "images"),
    [
        ("RUN echo \\\nFROM scratch AS evil\nCOPY --from=evil a b", ["evil"]),
        ("RUN echo \\ \t\r\nFROM scratch AS evil\r\nFROM evil", ["evil"]),
        ("RUN echo \\\n\n# why\n FROM scratch AS evil\nRUN --mount=from=evil true", ["evil"]),
        ("# escape=`\nRUN echo `\nFROM scratch AS evil\nCOPY --from=evil a b", ["evil"]),
        ("RUN echo `date`\nFROM scratch AS x\nCOPY --from=x a b", []),
        ("# why \\\nFROM scratch AS x\nCOPY --from=x a b", []),
        ("RUN true \\\n  && true\nFROM scratch AS x\nFROM x", []),
    ],
)
@pytest.mark.parametrize("heredocs", [False, True])
def test_a_line_that_goes_on_with_another_begins_no_stage(lines, images, heredocs):
    assert begun(f"FROM a\n{lines}\n", heredocs=heredocs)[0] == ["a", *images]


@pytest.mark.parametrize(
    "flag",
    [
        "--mount=from=scratch,from=registry.internal/x:1,target=/m",
        "--mount=FROM=scratch,target=/m,From=evil",
        "--mount=type=bind,from=evil,from=0",
        "--mount=from=a,\\\nfrom=evil,target=/m",
        "--mount=from=evil,from=,target=/m",
        "--network=none --mount=from=a,target=/a --mount=from=a,from=evil",
    ],
)
def test_a_mount_is_from_one_image(flag):
    with pytest.raises(BadEnvironment, match="two images in one --mount") as refused:
        begun(f"FROM launcher/base:3.11 AS a\nRUN {flag} true\n")
    assert "one from= in each --mount" in refused.value.hint
    with pytest.raises(BadEnvironment):
        refuse_triggers([f"RUN {flag} true"])


@pytest.mark.parametrize(
    "line",
    [
        "CO\\\nPY --from=evil a b",
        "COPY \\\n--fr\\\nom=evil a b",
        "COPY \v--from=evil a b",
        "COPY --from=ev\\\nil a b",
        "RUN --mount=type=cache,target=/c \\\n--mount=from=ev\\\nil true",
        'COPY --from="evil" a b',
        "COPY --fr\\om=evil a b",
        "COPY --chown='1 2' --from=evil a b",
        'RUN --mount=type=bind,"from=evil" true',
        "ONBUILD RU\\\nN --mount=from=evil true",
        "# escape=`\nCOPY `\n--from=evil a b",
        "RUN <<EOF\nCOPY \\\nEOF\nCOPY\xa0--from=evil a b",
        "RUN --mount=target=/x\x1c,from=evil true",
    ],
)
@pytest.mark.parametrize("heredocs", [False, True])
def test_no_image_is_taken_from_in_hidden_words(line, heredocs):
    with pytest.raises(BadEnvironment, match="not plainly written"):
        begun(f"{line}\nFROM a\n{line}\n", heredocs=heredocs)


def test_the_triggers_of_an_image_download_nothing_however_they_are_written():
    refuse_triggers(["COPY . /srv", "RUN true"])
    refuse_triggers(["COPY --from=0 a b"])
    for then in (
        "COPY --from=evil a b",
        "ADD http://10.0.0.1/ /x",
        "ADD a \\\r\nhttp://10.0.0.1/ /x",
        "A\\\rDD a b",
    ):
        with pytest.raises(BadEnvironment):
            refuse_triggers([then])
