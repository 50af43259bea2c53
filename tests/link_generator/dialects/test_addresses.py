"""A table of addresses as they are met in the world, and the fields that they give."""

import pytest

from link_generator.dialects import Draft, parse_any
from link_generator.errors import BadLink

GH = "https://github.com/org/repo"
GIST = "https://gist.github.com/jo/0123456789abcdef0123456789abcdef.git"
BOTH = {"env": "gh/org/repo", "tag": "main", "repo": GH, "branch": "main"}
SPLIT = {"env": "gh/org/env", "tag": "v1", "repo": GH, "branch": "main", "path": "wk 1/a.ipynb"}
PULL = (
    "repo=https%3A%2F%2Fgithub.com%2Forg%2Frepo&urlpath=lab%2Ftree%2Frepo%2Fwk+1%2Fa.ipynb"
    "&branch=main"
)
ONCE = (
    "repo%3Dhttps%253A%252F%252Fgithub.com%252Forg%252Frepo"
    "%26urlpath%3Dlab%252Ftree%252Frepo%252Fwk%2B1%252Fa.ipynb%26branch%3Dmain"
)
SPLIT_AT = "https://mybinder.org/v2/gh/org/env/v1"
HUB = {key: SPLIT[key] for key in ("repo", "branch", "path")}


REPOSITORIES = [
    (GH, {"repo": GH}),
    (f"{GH}.git", {"repo": GH}),
    (f"{GH}/", {"repo": GH}),
    (f"git clone {GH}.git", {"repo": GH}),
    ("github.com/org/repo", {"repo": GH}),
    ("http://www.github.com/org/repo", {"repo": GH}),
    ("gh/org/repo", {"repo": GH}),
    (f"{GH}/issues/12?q=is%3Aopen#top", {"repo": GH}),
    ("git@github.com:org/repo.git", {"repo": "git@github.com:org/repo.git"}),
    ("ssh://git@git.example.org:2222/o/r.git", {"repo": "ssh://git@git.example.org:2222/o/r.git"}),
    ("https://git.example.org/srv/repo.git", {"repo": "https://git.example.org/srv/repo.git"}),
    ("https://gitlab.com/g/s/repo.git", {"repo": "https://gitlab.com/g/s/repo"}),
    ("https://gitlab.com/g/s/repo/-/issues", {"repo": "https://gitlab.com/g/s/repo"}),
    ("https://github.com/org/git-pull", {"repo": "https://github.com/org/git-pull"}),
    ("https://github.com/org/launch", {"repo": "https://github.com/org/launch"}),
    (f"{GH}.git/", {"repo": GH}),
    (f"<{GH}>.", {"repo": GH}),
    (f"{GH}?tab=readme-ov-file", {"repo": GH}),
    (f"{GH}?utm_source=mail&utm_medium=x", {"repo": GH}),
    (f"{GH}#readme", {"repo": GH}),
    (f"{GH}/wiki/Home", {"repo": GH}),
    (f"{GH}/pull/3/files", {"repo": GH}),
    (f"{GH}/actions", {"repo": GH}),
    (f"{GH}/archive/refs/heads/main.zip", {"repo": GH}),
    ("https%3A%2F%2Fgithub.com%2Forg%2Frepo", {"repo": GH}),
    ("HTTPS://GitHub.com/org/repo", {"repo": GH}),
    ("git+https://github.com/org/repo.git", {"repo": GH}),
    ("git://github.com/org/repo.git", {"repo": GH}),
    ("ssh://git@github.com/org/repo.git", {"repo": "ssh://git@github.com/org/repo.git"}),
    ("git clone --depth 1 git@github.com:org/repo.git", {"repo": "git@github.com:org/repo.git"}),
    ("git clone -b dev https://github.com/org/repo", {"repo": GH, "branch": "dev"}),
    ("git clone https://github.com/org/repo.git my-folder", {"repo": GH}),
    ("gh repo clone org/repo", {"repo": GH}),
    ("gl/g/s/repo", {"repo": "https://gitlab.com/g/s/repo"}),
    ("git@gitlab.com:g/s/repo.git", {"repo": "git@gitlab.com:g/s/repo.git"}),
    (
        "https://gitlab.com/g/s/repo/-/merge_requests/4/diffs",
        {"repo": "https://gitlab.com/g/s/repo"},
    ),
    ("https://codeberg.org/o/r.git", {"repo": "https://codeberg.org/o/r"}),
    ("https://codeberg.org/o/r/issues/3", {"repo": "https://codeberg.org/o/r"}),
    ("https://bitbucket.org/o/r/pull-requests/1", {"repo": "https://bitbucket.org/o/r"}),
    ("https://bitbucket.org/o/r.git", {"repo": "https://bitbucket.org/o/r"}),
    ("https://jo@bitbucket.org/o/r.git", {"repo": "https://bitbucket.org/o/r"}),
    (
        "https://dev.azure.com/org/proj/_git/repo",
        {"repo": "https://dev.azure.com/org/proj/_git/repo"},
    ),
    (
        "https://org@dev.azure.com/org/proj/_git/repo",
        {"repo": "https://dev.azure.com/org/proj/_git/repo"},
    ),
    ("git@ssh.dev.azure.com:v3/org/proj/repo", {"repo": "git@ssh.dev.azure.com:v3/org/proj/repo"}),
    (
        "https://org.visualstudio.com/proj/_git/repo",
        {"repo": "https://org.visualstudio.com/proj/_git/repo"},
    ),
    ("https://git.sr.ht/~jo/repo", {"repo": "https://git.sr.ht/~jo/repo"}),
    ("https://huggingface.co/spaces/o/r", {"repo": "https://huggingface.co/spaces/o/r"}),
]
FILES = [
    (f"{GH}/blob/main/wk1/a%20b.ipynb", {"repo": GH, "branch": "main", "path": "wk1/a b.ipynb"}),
    (f"{GH}/blob/dev/a.ipynb?plain=1#L3", {"repo": GH, "branch": "dev", "path": "a.ipynb"}),
    (f"{GH}/blob/main/dir(1)", {"repo": GH, "branch": "main", "path": "dir(1)"}),
    (f"{GH}/tree/main", {"repo": GH, "branch": "main"}),
    (f"{GH}/tree/main/wk1/", {"repo": GH, "branch": "main", "path": "wk1"}),
    (f"{GH}/raw/refs/heads/main/a.csv", {"repo": GH, "branch": "main", "path": "a.csv"}),
    (f"{GH}/edit/main/a.md", {"repo": GH, "branch": "main", "path": "a.md"}),
    (f"{GH}/commit/{'a' * 40}", {"repo": GH, "branch": "a" * 40}),
    (f"{GH}/releases/tag/v1.0", {"repo": GH, "branch": "v1.0"}),
    (
        "https://raw.githubusercontent.com/org/repo/main/a/b.ipynb",
        {"repo": GH, "branch": "main", "path": "a/b.ipynb"},
    ),
    (
        "https://raw.githubusercontent.com/org/repo/refs/heads/main/b.ipynb",
        {"repo": GH, "branch": "main", "path": "b.ipynb"},
    ),
    (
        "https://colab.research.google.com/github/org/repo/blob/main/a.ipynb",
        {"repo": GH, "branch": "main", "path": "a.ipynb"},
    ),
    (
        "https://nbviewer.org/github/org/repo/blob/main/a.ipynb",
        {"repo": GH, "branch": "main", "path": "a.ipynb"},
    ),
    ("https://github.dev/org/repo/blob/main/a.py", {"repo": GH, "branch": "main", "path": "a.py"}),
    (
        "https://gitlab.com/g/s/repo/-/blob/main/a.ipynb?ref_type=heads",
        {"repo": "https://gitlab.com/g/s/repo", "branch": "main", "path": "a.ipynb"},
    ),
    (
        "https://git.example.org/g/s/t/repo/-/raw/v1/a%2Bb.ipynb",
        {"repo": "https://git.example.org/g/s/t/repo", "branch": "v1", "path": "a+b.ipynb"},
    ),
    (
        "https://gitlab.com/g/s/repo/-/tree/main/wk1",
        {"repo": "https://gitlab.com/g/s/repo", "branch": "main", "path": "wk1"},
    ),
    (
        "https://gitlab.com/g/s/repo/blob/main/a.ipynb",
        {"repo": "https://gitlab.com/g/s/repo", "branch": "main", "path": "a.ipynb"},
    ),
    (
        "https://codeberg.org/o/r/src/branch/main/a.ipynb",
        {"repo": "https://codeberg.org/o/r", "branch": "main", "path": "a.ipynb"},
    ),
    (
        "https://git.example.org/o/r/src/tag/v1/a.ipynb",
        {"repo": "https://git.example.org/o/r", "branch": "v1", "path": "a.ipynb"},
    ),
    (
        "https://codeberg.org/o/r/raw/branch/main/a.csv",
        {"repo": "https://codeberg.org/o/r", "branch": "main", "path": "a.csv"},
    ),
    (
        "https://bitbucket.org/o/r/src/main/a.ipynb",
        {"repo": "https://bitbucket.org/o/r", "branch": "main", "path": "a.ipynb"},
    ),
    ("https://gist.github.com/jo/0123456789abcdef0123456789abcdef#file-a-py", {"repo": GIST}),
    (
        "https://gist.github.com/0123456789abcdef0123456789abcdef.git",
        {"repo": "https://gist.github.com/0123456789abcdef0123456789abcdef.git"},
    ),
    (
        "git@gist.github.com:0123456789abcdef0123456789abcdef.git",
        {"repo": "git@gist.github.com:0123456789abcdef0123456789abcdef.git"},
    ),
    (
        f"{GH}/blob/main/wk1/a.ipynb?utm_source=x.",
        {"repo": GH, "branch": "main", "path": "wk1/a.ipynb"},
    ),
    (f"{GH}/blob/{'c' * 40}/a.ipynb", {"repo": GH, "branch": "c" * 40, "path": "a.ipynb"}),
    (f"{GH}/blame/main/a.py", {"repo": GH, "branch": "main", "path": "a.py"}),
    (f"{GH}/commits/main/a.py", {"repo": GH, "branch": "main", "path": "a.py"}),
    (
        f"{GH}/blob/main/%C3%BCbung%20%231.ipynb",
        {"repo": GH, "branch": "main", "path": "übung #1.ipynb"},
    ),
    (f"{GH}/tree/feature%2Fx/wk1", {"repo": GH, "branch": "feature/x", "path": "wk1"}),
    (
        "https://github.com/org/repo/raw/main/a.csv?download=",
        {"repo": GH, "branch": "main", "path": "a.csv"},
    ),
    (
        "https://raw.githubusercontent.com/org/repo/refs/tags/v1/b.ipynb?token=ABC",
        {"repo": GH, "branch": "v1", "path": "b.ipynb"},
    ),
    (
        "https://cdn.jsdelivr.net/gh/org/repo@main/a.ipynb",
        {"repo": GH, "branch": "main", "path": "a.ipynb"},
    ),
    ("https://nbviewer.org/gist/jo/0123456789abcdef0123456789abcdef", {"repo": GIST}),
    (
        "https://nbviewer.jupyter.org/github/org/repo/tree/main/wk1/",
        {"repo": GH, "branch": "main", "path": "wk1"},
    ),
    ("https://nbviewer.org/github/org/repo/", {"repo": GH}),
    (
        "https://nbviewer.org/urls/codeberg.org/o/r/raw/branch/main/a.ipynb",
        {"repo": "https://codeberg.org/o/r", "branch": "main", "path": "a.ipynb"},
    ),
    (
        "https://colab.research.google.com/github/org/repo/blob/main/a.ipynb#scrollTo=x",
        {"repo": GH, "branch": "main", "path": "a.ipynb"},
    ),
    (
        "https://colab.research.google.com/gist/jo/0123456789abcdef0123456789abcdef/a.ipynb",
        {"repo": GIST, "path": "a.ipynb"},
    ),
    (
        "https://studiolab.sagemaker.aws/import/github/org/repo/blob/main/a.ipynb",
        {"repo": GH, "branch": "main", "path": "a.ipynb"},
    ),
    (
        "https://kaggle.com/kernels/welcome?src=https://github.com/org/repo/blob/main/a.ipynb",
        {"repo": GH, "branch": "main", "path": "a.ipynb"},
    ),
    ("https://github.com/codespaces/new/org/repo/tree/main", {"repo": GH, "branch": "main"}),
    (
        "https://bitbucket.org/o/r/src/main/",
        {"repo": "https://bitbucket.org/o/r", "branch": "main"},
    ),
    (
        f"https://bitbucket.org/o/r/src/{'d' * 40}/wk1/a.ipynb?at=main",
        {"repo": "https://bitbucket.org/o/r", "branch": "d" * 40, "path": "wk1/a.ipynb"},
    ),
    (
        "https://codeberg.org/o/r/src/commit/" + "e" * 40 + "/a.ipynb",
        {"repo": "https://codeberg.org/o/r", "branch": "e" * 40, "path": "a.ipynb"},
    ),
    (
        "https://codeberg.org/o/r/src/branch/feature%2Fx/a.ipynb",
        {"repo": "https://codeberg.org/o/r", "branch": "feature/x", "path": "a.ipynb"},
    ),
    (
        "https://dev.azure.com/org/proj/_git/repo?path=/wk1/a.ipynb&version=GBmain",
        {
            "repo": "https://dev.azure.com/org/proj/_git/repo",
            "branch": "main",
            "path": "wk1/a.ipynb",
        },
    ),
    (
        "https://dev.azure.com/org/proj/_git/repo?version=GTv1&path=%2Fa.ipynb&_a=contents",
        {"repo": "https://dev.azure.com/org/proj/_git/repo", "branch": "v1", "path": "a.ipynb"},
    ),
    (
        "https://git.sr.ht/~jo/repo/tree/main/item/wk1/a.ipynb",
        {"repo": "https://git.sr.ht/~jo/repo", "branch": "main", "path": "wk1/a.ipynb"},
    ),
    (
        "https://gitlab.com/g/s/repo/-/raw/main/a.ipynb?inline=false",
        {"repo": "https://gitlab.com/g/s/repo", "branch": "main", "path": "a.ipynb"},
    ),
    (
        "https://gitlab.com/g/s/repo/-/tags/v1",
        {"repo": "https://gitlab.com/g/s/repo", "branch": "v1"},
    ),
    (GIST, {"repo": GIST}),
    (
        "https://gist.githubusercontent.com/jo/0123456789abcdef0123456789abcdef/raw/"
        f"{'b' * 40}/a.ipynb",
        {"repo": GIST, "path": "a.ipynb"},
    ),
]
GENERATORS = [
    (
        "https://nbgitpuller.link/?hub=https://h.org&repo=https://github.com/org/repo&branch=main",
        {"repo": GH, "branch": "main"},
    ),
    (
        "https://nbgitpuller.readthedocs.io/en/latest/link.html?tab=binder&repo=https://github.com"
        "/org/repo&branch=dev&app=jupyterlab",
        {"repo": GH, "branch": "dev"},
    ),
]
BINDER = [
    ("https://mybinder.org/v2/gh/org/repo/main", BOTH),
    ("http://mybinder.org/v2/gh/org/repo.git/main/", BOTH),
    ("mybinder.org/v2/gh/org/repo/main", BOTH),
    ("https://b.example.org/hub/v2/gh/org/repo/main?urlpath=lab", BOTH),
    (
        "https://mybinder.org/v2/gh/org/repo/main?filepath=wk1%2Fa.ipynb",
        BOTH | {"path": "wk1/a.ipynb", "app": "notebook"},
    ),
    (
        "https://mybinder.org/v2/gh/org/repo/main?labpath=wk1%2Fa+b.ipynb",
        BOTH | {"path": "wk1/a b.ipynb"},
    ),
    (
        "https://mybinder.org/v2/gh/org/repo/main?filepath=x.ipynb&labpath=a.ipynb",
        BOTH | {"path": "a.ipynb"},
    ),
    (
        "https://mybinder.org/v2/gh/org/repo/main?urlpath=%2Fdoc%2Ftree%2Fa.ipynb",
        BOTH | {"path": "a.ipynb"},
    ),
    (
        "https://mybinder.org/v2/gh/org/repo/main?urlpath=lab/tree/a.ipynb%3Fautodecode",
        BOTH | {"path": "a.ipynb"},
    ),
    (
        "https://mybinder.org/v2/gh/org/repo/main?urlpath=notebooks/a.ipynb",
        BOTH | {"path": "a.ipynb", "app": "notebook"},
    ),
    ("https://mybinder.org/v2/gh/org/repo/main?urlpath=rstudio", BOTH | {"app": "rstudio"}),
    ("https://mybinder.org/v2/gh/org/repo/main?urlpath=vscode/?folder=x", BOTH | {"app": "vscode"}),
    ("https://mybinder.org/v2/gh/org/repo/main?urlpath=desktop", BOTH | {"urlpath": "desktop"}),
    (
        "https://mybinder.org/v2/gh/org/repo/main?urlpath=%2Fproxy%2F8501%2F",
        BOTH | {"urlpath": "proxy/8501/"},
    ),
    (
        "https://mybinder.org/v2/gh/org/repo/main?urlpath=proxy/8501/%3Fembed%3Dtrue",
        BOTH | {"urlpath": "proxy/8501/?embed=true"},
    ),
    (
        "https://mybinder.org/v2/gh/org/repo/main?urlpath=voila%2Frender%2Fwk1%2Fa%20b.ipynb",
        BOTH | {"urlpath": "voila/render", "path": "wk1/a b.ipynb"},
    ),
    (
        "https://mybinder.org/v2/gh/org/repo/main?urlpath=apps/dash.ipynb",
        BOTH | {"urlpath": "apps", "path": "dash.ipynb"},
    ),
    ("https://mybinder.org/v2/gh/org/repo/main?urlpath=apps/dash", BOTH | {"urlpath": "apps/dash"}),
    (
        "https://mybinder.org/v2/gh/org/repo/main?urlpath=lab/workspaces/auto-W/tree/a.ipynb",
        BOTH | {"urlpath": "lab/workspaces/auto-W/tree", "path": "a.ipynb"},
    ),
    (
        "https://mybinder.org/v2/gh/org/repo/main?urlpath=lab/workspaces/demo%3Freset",
        BOTH | {"urlpath": "lab/workspaces/demo?reset"},
    ),
    ("https://mybinder.org/v2/gh/org/repo/main?urlpath=nbclassic", BOTH | {"urlpath": "nbclassic"}),
    (
        "https://mybinder.org/v2/gh/org/repo/main?urlpath=nbclassic/notebooks/a.ipynb",
        BOTH | {"urlpath": "nbclassic/notebooks", "path": "a.ipynb"},
    ),
    ("https://mybinder.org/v2/gh/org/repo/main?urlpath=pluto", BOTH | {"urlpath": "pluto"}),
    (
        "https://mybinder.org/v2/gh/org/repo/feature/x",
        BOTH | {"tag": "feature/x", "branch": "feature/x"},
    ),
    ("https://mybinder.org/v2/gh/org/repo/main?utm_source=a&fbclid=b", BOTH),
    ("https://mybinder.org/v2/gh/org/repo/main!", BOTH),
    (
        "https://mybinder.org/v2/gist/jo/0123456789abcdef0123456789abcdef/HEAD",
        {"env": GIST, "repo": GIST},
    ),
    (
        "https://mybinder.org/v2/git/https%3A%2F%2Fcodeberg.org%2Fo%2Fr.git/main",
        {"env": "https://codeberg.org/o/r.git", "tag": "main", "repo": "https://codeberg.org/o/r.git",
         "branch": "main"},
    ),
    (
        "https://mybinder.org/v2/git/git%40git.example.org%3Ao%2Fr.git/main",
        {"env": "git@git.example.org:o/r.git", "tag": "main",
         "repo": "git@git.example.org:o/r.git", "branch": "main"},
    ),
    ("https://mybinder.org/v2/gh/org/repo/HEAD", BOTH | {"tag": "", "branch": ""}),
    (
        "https://mybinder.org/v2/gl/g%2Fs%2Frepo/v1?urlpath=%2Flab%2Ftree%2F/a.ipynb",
        {
            "env": "gl/g/s/repo",
            "tag": "v1",
            "repo": "https://gitlab.com/g/s/repo",
            "branch": "v1",
            "path": "a.ipynb",
        },
    ),
    ("https://mybinder.org/repo/org/repo", BOTH | {"tag": "", "branch": ""}),
    (f"{SPLIT_AT}?urlpath=git-pull%3F{ONCE}", SPLIT),
    # encoded twice, and not at all
    (f"{SPLIT_AT}?urlpath=git-pull%253F{ONCE.replace('%', '%25')}", SPLIT),
    (f"{SPLIT_AT}?urlpath=git-pull?{PULL}", SPLIT),
    (
        "https://mybinder.org/v2/gh/org/env/v1?urlpath=git-pull?repo=https://github.com/org/repo"
        "&amp;urlpath=lab/tree/repo/wk%201/a.ipynb&amp;branch=main",
        SPLIT,
    ),
    (
        "https://mybinder.org/v2/gh/org/env/v1?urlpath=git-pull?repo=https://github.com/org/repo",
        SPLIT | {"branch": "", "path": ""},
    ),
    # round it: mail, markdown, reStructuredText, HTML
    (f"(https://mybinder.org/v2/gh/org/env/v1?urlpath=git-pull%3F{ONCE}).", SPLIT),
    (f"<https://mybinder.org/v2/gh/org/env/v1?utm_source=x&urlpath=git-pull%3F{ONCE}>,", SPLIT),
    ("[![Binder](https://b.org/badge.svg)](https://b.org/v2/gh/org/repo/main)", BOTH),
    (
        ".. image:: https://mybinder.org/badge_logo.svg\n"
        " :target: https://mybinder.org/v2/gh/org/repo/main",
        BOTH,
    ),
    ('<a href="https://mybinder.org/v2/gh/org/repo/main"><img src="x.svg"></a>', BOTH),
    ("https%3A%2F%2Fmybinder.org%2Fv2%2Fgh%2Forg%2Frepo%2Fmain", BOTH),
]  # fmt: skip
HUBS = [
    (f"https://hub.example.org/hub/user-redirect/git-pull?{PULL}", HUB),
    (f"https://hub.example.org/jupyter/hub/user-redirect/git-pull?{PULL}", HUB),
    (f"https://hub.example.org/hub/user-redirect/gpu/git-pull?{PULL}", HUB),
    (f"https://hub.example.org/user/jo/git-pull?{PULL}", HUB),
    (f"https://hub.example.org/hub/user-redirect/git-sync?{PULL}", HUB),
    (f"https://hub.example.org/hub/user-redirect/git-pull?{PULL.replace('&', '&amp;')}.", HUB),
    (f"https://hub.example.org/hub/user-redirect/git-pull?{PULL.replace('%', '%25')}", HUB),
    (f"https://hub.example.org/hub/user-redirect/git-pull?{ONCE}", HUB),
    (
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https://github.com/org/repo.git"
        "&urlpath=tree/repo.git/a.ipynb&branch=main",
        {"repo": GH, "branch": "main", "path": "a.ipynb", "app": "notebook"},
    ),
    (
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https://github.com/org/repo/"
        "&subPath=wk1/a.ipynb&app=lab",
        {"repo": GH, "path": "wk1/a.ipynb"},
    ),
    (
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https://github.com/org/repo"
        "&urlpath=lab/tree/hw/a.ipynb&targetPath=hw",
        {"repo": GH, "path": "a.ipynb", "dir": "hw"},
    ),
    (
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https://github.com/org/repo"
        "&urlpath=rstudio/&targetpath=Desktop/kurs%20%C3%BC/",
        {"repo": GH, "app": "rstudio", "dir": "Desktop/kurs ü"},
    ),
    (
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https://github.com/org/repo"
        "&urlpath=shiny/repo/app/&branch=main",
        {"repo": GH, "branch": "main", "urlpath": "shiny", "path": "app/"},
    ),
    (
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https://github.com/org/repo.git"
        "&urlpath=voila%2Frender%2Frepo.git%2Fa%20b.ipynb",
        {"repo": GH, "urlpath": "voila/render", "path": "a b.ipynb"},
    ),
    (
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https://github.com/org/repo"
        "&urlpath=desktop",
        {"repo": GH, "urlpath": "desktop"},
    ),
    # Jupyter Book 1 and 2
    (
        "https://hub.example.org/hub/user-redirect/git-pull?repo=https%3A//github.com/org/repo"
        "&urlpath=lab/tree/repo/docs/a.md&branch=main",
        {"repo": GH, "branch": "main", "path": "docs/a.md"},
    ),
    (
        "https://h.org/with/gh/org/env@v1/hub/user-redirect/git-pull?repo=https%3A//github.com/org"
        "/repo&urlpath=tree/repo/docs/a.md&branch=main",
        {"env": "gh/org/env", "tag": "v1", "repo": GH, "branch": "main", "path": "docs/a.md",
         "app": "notebook"},
    ),
    (
        f"https://hub.example.org/hub/lti/launch?next=%2Fhub%2Fuser-redirect%2Fgit-pull%3F{ONCE}",
        HUB,
    ),
    (
        f"https://h.org/base/hub/lti/launch?custom_next=/base/hub/user-redirect/git-pull%3F{ONCE}",
        HUB,
    ),
    (f"https://h.org/hub/lti/launch?next=/hub/user-redirect/git-pull?{PULL}", HUB),
    (f"https://h.org/hub/login?next=%2Fhub%2Fuser-redirect%2Fgit-pull%3F{ONCE}", HUB),
]  # fmt: skip
OURS = [
    (
        "https://h.org/launch?env=gh/org/env@v1&repo=https://github.com/org/repo&branch=main"
        "&path=wk+1/a.ipynb",
        SPLIT,
    ),
    (
        "https://h.org/launch?env=gh%252Forg%252Fenv%2540v1&repo=https%253A%252F%252Fgithub.com"
        "%252Forg%252Frepo&branch=main&path=wk%252B1%2Fa.ipynb&utm_medium=mail",
        SPLIT | {"path": "wk+1/a.ipynb"},
    ),
    ("/launch?env=intro-ds@1", {"env": "intro-ds", "tag": "1"}),
    ("env=intro.ds@1&repo=https://h.org/r", {"env": "intro.ds", "tag": "1", "repo": "https://h.org/r"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "text", "fields"),
    [
        (dialect, text, fields)
        for dialect, rows in (
            ("address", REPOSITORIES),
            ("address", FILES),
            ("address", GENERATORS),
            ("binder", BINDER),
            ("hub", HUBS),
            ("launcher", OURS),
        )
        for text, fields in rows
    ],
)
def test_an_address_gives_its_fields(dialect, text, fields):
    found = parse_any(text)[0]
    assert found == Draft(**fields)
    hubs = ("jupyterhub", "canvas", "jupyterbook")
    assert found.dialect in (hubs if dialect == "hub" else (dialect,))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "url"),
        ("   .,", "url"),
        ("x" * 9000, "url"),
        ("https://[::1", "url"),
        ("https://mybinder.org/v2/zenodo/10.5281/zenodo.3242074/", "env"),
        ("https://mybinder.org/v2/gh/org/repo", "env"),
        ("https://mybinder.org/v2/gh/org", "env"),
        ("https://mybinder.org/v2/gh", "env"),
        ("https://mybinder.org/v2/gh/org/repo/main?urlpath=git-pull%3Fbranch%3Dx", "repo"),
        ("https://mybinder.org/v2/gh/org/repo/main?labpath=..%2F..%2Fetc", "path"),
        ("https://mybinder.org/v2/gh/org/repo/main?labpath=%FF", "link"),
        ("https://h.org/hub/user-redirect/git-pull?branch=main", "repo"),
        ("https://h.org/hub/user-redirect/git-pull?repo=undefined", "repo"),
        ("https://h.org/hub/user-redirect/git-pull?repo=file:///etc", "repo"),
        ("https://h.org/hub/user-redirect/git-pull?repo=https://h/r&branch=-x", "branch"),
        ("https://h.org/hub/lti/launch?next=/hub/home", "repo"),
        ("https://h.org/launch?repo=https://h/r", "env"),
        ("https://me:token@github.com/org/repo", "repo"),
        ("https://ghp_0123456789abcdef@github.com/org/repo", "repo"),
        ("https://me:token@bitbucket.org/o/r", "repo"),
        ("https://me:token@dev.azure.com/o/p/_git/r?path=/a", "repo"),
        ("git clone https://me:token@github.com/org/repo", "repo"),
        ("git clone --upload-pack=id", "repo"),
        ("https://www.kaggle.com/kernels/welcome?src=javascript:alert(1)", "repo"),
        ("https://nbviewer.org/urls/10.1.2.3", "repo"),
        ("https://me:token@github.com/org/repo/blob/main/a.ipynb", "repo"),
        ("javascript:alert(1)", "repo"),
        ("not an address", "repo"),
    ],
)
def test_what_cannot_be_read_says_why(text, field):
    with pytest.raises(BadLink) as caught:
        parse_any(text)
    assert caught.value.field == field
    assert caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HUBS[0][0], "no environment"),
        (HUBS[2][0], "'gpu'"),
        (HUBS[0][0] + "&backup=true", "Backups"),
        (HUBS[0][0] + "&colour=red", "colour"),
        ("https://h/hub/user-redirect/git-pull?repo=https://h/r&urlpath=tree/x/a", "not in"),
        ("https://h.org/launch?env=gh/o/e&colour=red", "colour"),
    ],
)
def test_what_is_lost_is_noted(text, says):
    notes = parse_any(text)[1]
    assert any(says in note for note in notes)


def test_what_changes_nothing_is_not_noted():
    extras = "&utm_source=mail&fbclid=x&depth=1"
    assert parse_any(HUBS[0][0] + extras)[1] == ("The link names no environment.",)
