"""What a failed build says: real logs of uv, apt-get, bash and the engine, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs.build_log import Line
from envs.explain import explain

FAILURES = Path(__file__).parent / "failures"
REQUIREMENTS = {"requirements.txt": "six\n# wanted\nnosuchpackage-xyz-123>=1\n"}
SETUP = (
    "from setuptools import setup\nsetup(name='mine', install_requires=['nosuchpackage-xyz-123'])\n"
)
YML = "dependencies:\n  - python=3.11\n  - pip:\n    - six\n    - nosuchpackage-xyz-123\n"
CONDA = "channels: [x]\ndependencies:\n  - python=3.11\n  - nosuchconda\n  - hello-data=9.*\n"
DOCKERFILE = """FROM launcher/base:3.11
USER root
# a comment
RUN apt-get update -qq && apt-get install -y \\
      tree \\
      nosuchdebpackage
USER 1000
"""
NONE = "There is no Python package called nosuchpackage-xyz-123."


def told(name, files):
    log, _, said = (FAILURES / f"{name}.txt").read_text().partition("\n=== ")
    lines = [Line(number, text) for number, text in enumerate(log.split("\n"), start=1)]
    return lines, explain(lines, said.rstrip("\n"), files)


def requirements(text):
    return {"requirements.txt": text, "apt.txt": "tree\n"}


@pytest.mark.parametrize(
    ("name", "files", "message", "hint"),
    [
        ("nopkg", REQUIREMENTS, f"requirements.txt line 3: {NONE}", "Check how"),
        ("local-nopkg", REQUIREMENTS, f"requirements.txt line 3: {NONE}", "Check how"),
        ("included", {"requirements.txt": "six\n-r more/list.txt\n",
                      "more/list.txt": "six\nNoSuchPackage_xyz.123\n"},
         f"more/list.txt line 2: {NONE}", "Check how"),
        ("yml", {"binder/environment.yml": YML}, f"binder/environment.yml line 5: {NONE}", ""),
        ("pipfile", {"Pipfile": "[packages]\nsix='*'\nnosuchpackage-xyz-123='*'\n"},
         f"Pipfile line 3: {NONE}", ""),
        ("setup", {"setup.py": SETUP}, f"setup.py line 2: {NONE}", ""),
        ("setup", {"setup.py": "import list_of_packages\n"},
         "There is no Python package called nosuchpackage-xyz-123, which mine==0.0.0 needs.", ""),
        ("nover", requirements("cowsay2\ncowsay==99.0\n"),
         "requirements.txt line 2: There is no version 99.0 of cowsay.", "leave the version open"),
        ("only", requirements("cowsay>=99\n"),
         "requirements.txt line 1: There is no version >=99 of cowsay, only <=6.1.", ""),
        ("conflict", requirements("pandas==2.0.3\nnumpy==1.19.5\n"),
         "requirements.txt line 2: The requirements contradict each other: pandas==2.0.3 depends "
         "on numpy>=1.21.0, and you require numpy==1.19.5.", "numpy or of pandas"),
        ("deep", requirements("pandas==1.0.5\nscikit-learn==1.4.0\nscipy<1.5 # old\n"),
         "requirements.txt line 3: The requirements contradict each other: scikit-learn==1.4.0 "
         "depends on scipy>=1.6.0, and you require scipy<1.5.", "scikit-learn"),
        ("django", requirements("six\ndjango==6.0\n"),
         "requirements.txt line 2: django==6.0 needs Python>=3.12; here it is 3.11.2.",
         "runtime.txt"),
        ("wheelpy", requirements("tensorflow==2.3.0\n"),
         "requirements.txt line 1: tensorflow==2.3.0 does not exist for this environment's "
         "Python. It exists for cp35m, cp36m, cp37m, cp38.", "newer version"),
        ("win", requirements("pywin32==306\n"),
         "requirements.txt line 1: pywin32==306 does not exist for Linux.", "Leave it out"),
        ("syntax", requirements("six\n\nnumpy=1.2\n"),
         "requirements.txt line 3: 'numpy=1.2' is not a requirement: no such comparison operator "
         '"=", must be one of ~= == != <= >= < > ===.', "numpy>=1.26"),
        ("extra", requirements("six\n\nnot a package\n"),
         "requirements.txt line 3: 'not a package' is not a requirement: Expected one of `@`, "
         "`(`, `<`, `=`, `>`, `~`, `!`, `;`, found `a`.", ""),
        ("nofile", requirements("six\n-r more.txt\n"),
         "requirements.txt line 2: more.txt is named here, and the repository has no such file.",
         "Add the file"),
        ("compiler", requirements("six\nmysqlclient==2.2.4\n"),
         "requirements.txt line 2: mysqlclient 2.2.4 must be compiled here, and the MySQL library "
         "is missing.", "apt.txt: default-libmysqlclient-dev, pkg-config, gcc"),
        ("pgconfig", requirements("psycopg2==2.9.9\n"),
         "requirements.txt line 1: psycopg2 2.9.9 must be compiled here, and pg_config is "
         "missing.", "apt.txt: libpq-dev, gcc"),
        ("gcc", requirements("python-Levenshtein==0.12.0\n"),
         "requirements.txt line 1: python-levenshtein 0.12.0 must be compiled here, and a C "
         "compiler is missing.", "apt.txt: gcc, libc6-dev and python3-dev"),
        ("header", requirements("pygraphviz==1.12\n"),
         "requirements.txt line 1: pygraphviz 1.12 must be compiled here, and the header Python.h "
         "is missing.", "python3-dev"),
        ("header2", requirements("pygraphviz==1.12\n"),
         "requirements.txt line 1: pygraphviz 1.12 must be compiled here, and the header "
         "graphviz/cgraph.h is missing.", "apt.txt: libgraphviz-dev"),
        ("rust", requirements("tokenizers==0.10.3\n"),
         "requirements.txt line 1: tokenizers 0.10.3 must be compiled here, and Rust is missing.",
         "cargo"),
        ("cmake", requirements("dlib==19.24.0\n"),
         "requirements.txt line 1: dlib 19.24.0 must be compiled here, and CMake is missing.",
         "cmake, g++"),
        ("oldsetup", requirements("sklearn==0.0.post12\n"),
         "requirements.txt line 1: sklearn 0.0.post12 has no ready-made wheel and cannot be built "
         "here: The 'sklearn' PyPI package is deprecated, use 'scikit-learn'", "runtime.txt"),
        ("yanked", requirements("numpy==1.17.0\n"),
         "requirements.txt line 1: numpy 1.17.0 has no ready-made wheel and cannot be built here: "
         "NameError: name 'CCompiler' is not defined. Did you mean: 'ccompiler'?", "newer one"),
        ("condanone", {"environment.yml": CONDA},
         "environment.yml line 4: The channels have no conda package called nosuchconda.", ""),
        ("condaver", {"environment.yml": CONDA},
         "environment.yml line 5: The channels have no conda package hello-data 9.", "versions"),
        ("condanet", {"environment.yml": CONDA},
         "nosuchhost.invalid could not be reached during the build.", "Try again"),
        ("condapip", {"environment.yml": YML}, f"environment.yml line 5: {NONE}", "Check how"),
        ("rnone", {"install.R": 'x = 1\ninstall.packages(c("hello",\n  "nosuchrpkg"))\n'},
         "install.R line 3: There is no R package called nosuchrpkg for this version of R.",
         "capital letters"),
        ("rlib", {"binder/install.R": "library(nosuchlib) # gone\n"},
         "binder/install.R line 1: There is no R package called nosuchlib for this version of R.",
         ""),
        ("rdesc", {"DESCRIPTION": "Package: mine\nImports: here,\n    nosuchrpkg (>= 1.0)\n"},
         "DESCRIPTION line 3: There is no R package called nosuchrpkg for this version of R.", ""),
        ("rcompile", {"install.R": 'install.packages("broken")\n'},
         "install.R line 1: The R package broken must be compiled, and the header nosuchheader.h "
         "is missing.", "ends in -dev"),
        ("rlibrary", {"install.R": "# one\ninstall.packages('pkg')\n"},
         "install.R line 2: The R package pkg must be compiled, and a library is missing.",
         "Add to apt.txt: libcurl4-openssl-dev."),
        ("rparse", {"install.R": "x <- 1\ninstall.packages('a'\n"},
         "install.R line 3: R cannot read it: unexpected end of input.", "the one before"),
        ("rstop", {"install.R": "x <- 1\nstop('nothing is left')\n"},
         "install.R line 2: R stopped: nothing is left.", "Mend"),
        ("rnet", {"install.R": "# here\ninstall.packages('x', repos='https://nosuchhost.invalid')\n"},
         "install.R line 2: The list of R packages at https://nosuchhost.invalid/src/contrib "
         "cannot be read.", "Try again"),
        ("aptunknown", {"apt.txt": "tree\nnosuchdebpackage\n"},
         "apt.txt line 2: Debian has no package called nosuchdebpackage.", "apt-cache search"),
        ("aptversion", {"apt.txt": "# pinned\ntree=99.1\n"},
         "apt.txt line 2: Debian has no version 99.1 of tree.", "Leave =99.1 out"),
        ("aptvirtual", {"apt.txt": "mail-transport-agent\n"},
         "apt.txt line 1: Debian has no package called mail-transport-agent.", ""),
        ("aptnetwork", {"apt.txt": "tree\n"},
         "debian.example.org could not be reached during the build.", "Try again"),
        ("network", requirements("--index-url https://nosuchhost.invalid/simple\ncowsay\n"),
         "requirements.txt line 1: nosuchhost.invalid could not be reached during the build.",
         "Try again"),
        ("refused", requirements("cowsay\n"),
         "127.0.0.1 could not be reached during the build.", "Try again"),
        ("githost", requirements("git+https://nosuchhost.invalid/a/b\n"),
         "requirements.txt line 1: nosuchhost.invalid could not be reached during the build.", ""),
        ("tls", requirements("cowsay\n"),
         "The certificate of localhost is not trusted here.", "ca_bundle"),
        ("disk", requirements("numpy\n"), "The disk of this server is full.", "make room"),
        ("space", {"postBuild": "true\n"}, "The disk of this server is full.", ""),
        ("conflict2", requirements("jupyterlab==3.0.0\n"),
         "requirements.txt line 1: The packages do not fit together: notebook requires "
         "jupyterlab>=4.6.6,<4.7, but 3.0.0 is installed.", "version of jupyterlab"),
        ("smoke2", {"postBuild": "#!/bin/bash\nuv pip uninstall jupyter_client\n"},
         "postBuild line 2: The packages do not fit together: ipykernel requires "
         "jupyter-client>=8.9.0, but it's not installed.", ""),
        ("dockerfile", {"Dockerfile": "FROM x\nRUN echo one \\\n && nosuchcommand"},
         "Dockerfile line 2: `RUN echo one && nosuchcommand` failed with exit code 127: "
         "/bin/sh: 1: nosuchcommand: not found", "Mend"),
        ("dockersyntax", {"Dockerfile": "FROM launcher/base:3.11\nRUNN echo one\n"},
         "Dockerfile line 2: unknown instruction: RUNN.", "Mend"),
        ("dockercopy", {"Dockerfile": "FROM launcher/base:3.11\nCOPY nosuchfile /x\n"},
         "Dockerfile line 2: The repository has no nosuchfile to copy.", ".dockerignore"),
        ("dockerfrom", {"Dockerfile": "FROM nosuch.invalid/image:1\n"},
         "nosuch.invalid could not be reached during the build.", "Try again"),
        ("dockerrun", {"Dockerfile": DOCKERFILE},
         "Dockerfile line 6: Debian has no package called nosuchdebpackage.", ""),
        ("dockerpip", {"Dockerfile": "FROM x\nRUN pip install nosuchpackage-xyz-123\n"},
         f"Dockerfile line 2: {NONE}", ""),
    ],
)  # fmt: skip
def test_the_first_error_is_told_with_its_file_and_line(name, files, message, hint):
    _, found = told(name, files)
    assert found.message == message
    assert hint in found.hint


@pytest.mark.parametrize(
    ("name", "line", "sentence"),
    [
        ("post127", 3, "It failed with exit code 127: nosuchcommand: command not found"),
        ("local-post127", 3, "It failed: nosuchcommand: command not found"),
        ("postset", 0, "It failed with exit code 2. It said last: ls: cannot access "
                       "'/nosuchfolder': No such file or directory"),
        ("post1", 0, "It failed with exit code 1. It said last: hello"),
        ("post3", 3, "It failed with exit code 1: NOTSET: unbound variable"),
        ("postsyntax", 4, "It failed with exit code 2: syntax error: unexpected end of file"),
        ("postpython", 2, "It failed with exit code 1. It said last: "
                          "ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("postinterp", 1, "It failed with exit code 127: its first line names a program that is "
                          "not there."),
        ("killed", 0, "It was killed, most likely because memory ran out."),
        ("curlpost", 0, "It failed with exit code 1. It said last: urllib.error.URLError: "
                        "<urlopen error [Errno -2] Name or service not known>"),
        ("pippost", 3, NONE),
    ],
)  # fmt: skip
def test_a_script_that_failed_is_told_with_its_line(name, line, sentence):
    script = "#!/bin/bash\nset -e\npython -m pip install nosuchpackage-xyz-123\n"
    _, found = told(name, {"binder/postBuild": script})
    assert (found.file, found.line, found.sentence) == ("binder/postBuild", line, sentence)


def test_a_script_s_network_trouble_has_another_way_out():
    assert "try again" in told("curlpost", {"postBuild": ""})[1].hint


def test_the_line_of_the_log_is_known():
    lines, found = told("aptunknown", {"apt.txt": "nosuchdebpackage"})
    assert lines[found.log_line - 1].text == "E: Unable to locate package nosuchdebpackage"
    lines, found = told("header2", requirements("pygraphviz"))
    assert "graphviz/cgraph.h: No such file" in lines[found.log_line - 1].text


def test_what_nobody_knows_keeps_its_own_words():
    assert told("dockercontract", {"Dockerfile": "FROM launcher/debian:bookworm\n"})[1] is None
    assert explain([], "The engine lost the image right after the build.", {}) is None
    assert explain([Line(1, "Building env/x:1")], "broken is not a package", REQUIREMENTS) is None


def test_a_build_that_took_too_long_says_what_can_be_raised():
    found = explain([Line(1, "$ uv pip install x")], "The build took longer than 3600 s.", {})
    assert found.sentence == "The build was stopped after 3600 s."
    assert "`builds.timeout`" in found.hint


def test_conda_packages_that_exclude_each_other_are_told():
    said = (
        "error: binder/environment.yml: Cannot solve the request because of: a ==1 cannot be "
        "installed because there are no viable options: └─ a 1 would require └─ b >=2"
    )
    found = explain([Line(1, "$ program.py conda"), Line(2, said)], "x", {})
    assert found.message == (
        "binder/environment.yml: The conda packages cannot be installed together: a ==1 cannot be "
        "installed because there are no viable options: a 1 would require b >=2"
    )


def test_an_earlier_warning_is_not_the_error():
    """Only the stage that failed counts: what apt-get complained of before was overcome."""
    lines = ["[2/4] RUN apt-get install tree", "W: Temporary failure resolving 'x.example'",
             "[3/4] RUN uv pip install six", "error: No solution found when resolving it",
             "  cause: Because six was not found in the package registry and you require six",
             ]  # fmt: skip
    found = explain([Line(n, t) for n, t in enumerate(lines, 1)], "x", requirements("six\n"))
    assert found.message == "requirements.txt line 1: There is no Python package called six."


def test_older_words_of_uv_are_known():
    text = (
        "$ uv pip install -r requirements.txt\n"
        "  × No solution found when resolving dependencies:\n"
        "  ╰─▶ Because nosuchpackage-xyz-123 was not found in the package registry and\n"
        "      you require nosuchpackage-xyz-123>=1, we can conclude that your requirements\n"
        "      are unsatisfiable.\n"
    )
    lines = [Line(n, line) for n, line in enumerate(text.splitlines(), start=1)]
    assert explain(lines, "x", REQUIREMENTS).message == f"requirements.txt line 3: {NONE}"
