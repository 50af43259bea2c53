"""What a link needs to work, looked at before it is shared; nothing is started or built."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from envs.errors import EnvError
from envs.packages import packages_of
from envs.sizes import human
from envs.store import Store
from envs.version import Version
from launcher.asking import Slow
from launcher.content.named_paths import check_path
from launcher.content.size import check_sizes
from launcher.content.upstream import Upstream
from launcher.errors import LaunchError
from launcher.links.looking import Looking, ended, slow_note
from launcher.rehearsal.rehearsal import Rehearsal, Rehearsals
from link_generator.apps import APPS
from link_generator.content import Content, is_inside
from link_generator.link import Link

OK, WARN, FAIL = "ok", "warn", "fail"
SMALL, MEDIUM = 10_000_000, 100_000_000
"""Bytes of content: up to here students notice nothing, up to there each first click takes longer.
https://the-turing-way.netlify.app/communication/binder/zero-to-binder"""
SOLUTION = re.compile(r"(solution|answer|(^|[_-])key([_-]|$)|teacher|instructor)", re.IGNORECASE)
LARGEST_NOTEBOOK = 20_000_000
KERNELS = {"ir": "irkernel", "bash": "bash-kernel", "julia": "ijulia"}
"""Kernels beside Python's, each with the package that brings it; names of Julia's hold versions."""
BRINGS = {"rstudio": ("rsession", "rstudio"), "vscode": ("vscode", "code-server", "codeserver")}
"""What the name of a package that brings the app holds."""
PAGES = {"voila": "voila", "nbclassic": "nbclassic", "proxy": "jupyter-server-proxy"}
"""The package that answers below a page's first part."""


@dataclass(frozen=True)
class Check:
    """One thing that a link needs."""

    name: str
    """`environment`, `content`, `only`, `path`, `app`, `urlpath`, `kernel`, `size`, `solutions`
    or `rehearsal`."""
    state: str
    """`ok`, `warn` (the link works) or `fail`."""
    sentence: str
    hint: str = ""
    near: tuple[str, ...] = ()
    """What exists and may have been meant."""


@dataclass(frozen=True)
class Preflight:
    """Looks at the environment and the content of a link, both at once."""

    looking: Looking
    rehearsals: Rehearsals | None = None

    def check(self, link: Link) -> list[Check]:
        """Every check of the link, the environment's first."""
        looking = self.looking
        asked = [
            looking.begin(looking.mirrors.refresh, one.repo, one.branch) for one in link.contents
        ]
        lock, environment = self._looked_up(link)
        checks = [environment, *app_checks(link, lock), *page_checks(link, lock)]
        sources = []
        for content, begun in zip(link.contents, asked, strict=True):
            source, found = self._repository(content, begun)
            checks += found
            sources.append(source)
        if sources and sources[0]:
            checks += self._content(link, sources[0], lock)
        for content, source in zip(link.contents[1:], sources[1:], strict=True):
            if source:
                checks += self._too_large(content, self._sizes(content, source))
        rehearsed = self.rehearsals.last(link) if self.rehearsals else None
        return [*checks, *([rehearsal_check(rehearsed)] if rehearsed else [])]

    def _looked_up(self, link: Link) -> tuple[str, Check]:
        """The packages of the link's environment, empty where they are not known, and its check."""
        try:
            repo, tag = self.looking.environments.of(link)
            return ended(self.looking.begin(self._environment, repo, tag), repo)
        except (EnvError, LaunchError) as error:
            return "", failed("environment", error)

    def _environment(self, repo: str, tag: str) -> tuple[str, Check]:
        environments = self.looking.environments
        version = environments.versions.resolve(repo, tag)
        store = environments.store
        return store.lock_of(version), environment_check(store, version)

    def _repository(
        self, content: Content, begun: tuple[Future[Upstream], float]
    ) -> tuple[Upstream | None, list[Check]]:
        try:
            source = self.looking.end_content(content.repo, content.branch, begun)
        except LaunchError as error:
            return None, [failed(error.field or "content", error)]
        except EnvError as error:
            return None, [failed("content", error)]
        if source.stale:
            hint = "What was pushed since then may be missing."
            return source, [Check("content", WARN, slow_note(source), hint)]
        said = f"{content.repo} found: {source.ref} is at {source.commit[:7]}"
        return source, [Check("content", OK, said)]

    def _content(self, link: Link, source: Upstream, lock: str) -> list[Check]:
        content, checks = link.contents[0], []
        for field in ("only", "path"):
            path = getattr(link, field)
            try:
                if path:
                    check_path(content, path, source, self.looking.mirrors, field=field)
                    checks.append(Check(field, OK, f"{path} exists"))
            except LaunchError as error:
                checks.append(failed(field, error))
        if link.path.endswith(".ipynb") and checks[-1].state == OK:
            listing = self.looking.mirrors.listing
            text = listing.read_text(source, link.path, largest=LARGEST_NOTEBOOK)
            checks += kernel_checks(text, lock)
        sizes = self._sizes(content, source)
        how_large = self._too_large(content, sizes) or [size_check(sizes)]
        return [*checks, *how_large, *solution_checks(sizes)]

    def _sizes(self, content: Content, source: Upstream) -> dict[str, int]:
        """Bytes of each file that students get; submodules are not looked into."""
        return {
            path: size
            for path, size in self.looking.mirrors.listing.sizes(source).items()
            if not content.only or is_inside(path, content.only)
        }

    def _too_large(self, content: Content, sizes: Mapping[str, int]) -> list[Check]:
        """What a click would say of content that is more than the settings allow."""
        try:
            check_sizes(sizes, self.looking.mirrors.size, repo=content.repo)
        except LaunchError as error:
            return [failed("size", error)]
        return []


def environment_check(store: Store, version: Version) -> Check:
    """:raises EnvError: its files cannot be read or understood."""
    called = f"{version.ref or 'default branch'} ({version.commit[:7]})"
    image = store.find_image(version)
    if image:
        return Check("environment", OK, f"Environment {called} is ready")
    build = store.records.newest(store.plan(version)[2])
    minutes = f"about {minutes_of(store):.0f} min"
    if build and build.outcome == "running":
        said = f"Environment {called} is being built"
        hint = f"Share it now: students will wait until the build ends ({minutes})."
        return Check("environment", WARN, said, hint)
    if build and build.outcome == "failed":
        older = store.older_image(version)
        state = WARN if older else FAIL
        hint = f"{build.hint} Until then the last good version is used." if older else build.hint
        return Check("environment", state, f"Environment {called} failed: {build.error}", hint)
    hint = f"The first click builds it ({minutes}), or `launcher env build` does so now."
    return Check("environment", WARN, f"Environment {called} is not built yet", hint)


def minutes_of(store: Store) -> float:
    """What a build takes here, from those that were done; at least one."""
    took = [build.seconds for build in store.records.all() if build.outcome == "built"]
    return max(1.0, statistics.median(took) / 60) if took else 3.0


def app_checks(link: Link, lock: str) -> list[Check]:
    """Only of apps that not every image has."""
    app = APPS[link.app]
    if app.everywhere:
        return []
    if not lock:
        hint = "That is known as soon as the environment is built."
        return [Check("app", WARN, f"{app.label} may be missing in the environment", hint)]
    if has_app(link.app, lock):
        return [Check("app", OK, f"The environment has {app.label}")]
    hint = "Add its package to the environment, or choose JupyterLab."
    return [Check("app", FAIL, f"The environment has no {app.label}", hint)]


def has_app(app: str, lock: str) -> bool:
    """True where a package of the lock brings an app that not every image has."""
    return any(part in name for name in packages_of(lock) for part in BRINGS[app])


def page_checks(link: Link, lock: str) -> list[Check]:
    """Of a page of another program: nobody knows whether it is there before it runs."""
    if not link.urlpath:
        return []
    said = f"The link opens the page {link.urlpath}"
    name = link.urlpath.split("/")[0].split("?")[0]
    package = PAGES.get(name, "")
    if not package or not lock:
        hint = "A program in the environment must answer there: open the link once to see it."
        return [Check("urlpath", WARN, said, hint)]
    if any(package in one for one in packages_of(lock)):
        return [Check("urlpath", OK, f"{said}, and the environment has {package}")]
    hint = f"Add {package} to the environment, or leave urlpath= out."
    return [Check("urlpath", FAIL, f"{said}, but the environment has no {package}", hint)]


def kernel_checks(notebook: str, lock: str) -> list[Check]:
    """Does the environment have the kernel that the notebook was saved with."""
    try:
        name = str(json.loads(notebook)["metadata"]["kernelspec"]["name"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return []
    if name in ("python3", "python"):
        return [Check("kernel", OK, f"Kernel {name} is available")]
    package = KERNELS.get("julia" if name.startswith("julia") else name, name)
    found = [one for one in packages_of(lock) if package.lower() in one.lower()]
    if found:
        return [Check("kernel", OK, f"Kernel {name} is available ({found[0]})")]
    hint = "Save the notebook with the kernel Python 3, or add the kernel to the environment."
    return [Check("kernel", WARN, f"The notebook was saved with the kernel {name!r}", hint)]


def size_check(sizes: Mapping[str, int]) -> Check:
    total = sum(sizes.values())
    said = f"{human(total)} in {len(sizes)} file{'' if len(sizes) == 1 else 's'}"
    if total <= SMALL:
        return Check("size", OK, f"{said} (small)")
    if total <= MEDIUM:
        hint = "Students wait for it once. Data can come with the environment: postBuild, wget -q."
        return Check("size", WARN, f"{said} (medium)", hint)
    hint = "Every student gets a copy. Stream large data, or give one folder with only=."
    return Check("size", WARN, f"{said} (large)", hint)


def solution_checks(paths: Sequence[str] | Mapping[str, int]) -> list[Check]:
    seen = [path for path in paths if SOLUTION.search(path.rsplit("/", 1)[-1].rsplit(".", 1)[0])]
    if not seen:
        return []
    said = f"{len(seen)} solution-like file{'s are' if len(seen) > 1 else ' is'} visible: "
    hint = "Give one folder without them as only=, or keep them in another repository."
    more = " and more" if len(seen) > 3 else ""
    return [Check("solutions", WARN, said + ", ".join(seen[:3]) + more, hint, tuple(seen[:20]))]


def rehearsal_check(found: Rehearsal) -> Check:
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.at))
    if found.ok:
        cells = f"{found.cells} cell{'' if found.cells == 1 else 's'}"
        return Check("rehearsal", OK, f"Rehearsed {at}: {cells} ran")
    return Check("rehearsal", WARN, f"Rehearsed {at}: {found.error}", "Mend it and rehearse again.")


def failed(name: str, error: EnvError | LaunchError) -> Check:
    state = WARN if isinstance(error, Slow) else FAIL
    return Check(name, state, error.message, error.hint, tuple(getattr(error, "near", ())))
