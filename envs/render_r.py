"""R in a Dockerfile: Debian's R, its kernel, and what install.R and DESCRIPTION ask for.

Deterministic, no I/O here.
"""

from __future__ import annotations

import shlex

from envs.errors import NotOffered
from envs.readers.r import ANY, asked_by
from envs.recipe import Recipe

LIBRARY = "/srv/rlibs"
"""Where packages go: outside of the home, which a session covers with the student's folder."""
PACKAGES = (
    "r-base-core",
    "r-base-dev",
    "r-cran-irkernel",
    "r-cran-remotes",
    # What most of CRAN needs to be compiled.
    "libcurl4-openssl-dev",
    "libssl-dev",
    "libxml2-dev",
)
RELEASES = {"bullseye": "4.0", "bookworm": "4.2", "trixie": "4.5"}
"""R's version in each Debian release."""
CRAN = "https://cloud.r-project.org"
# As repo2docker runs it. Renviron.site would not be read then: R_LIBS_USER is set by ENV.
RSCRIPT = "/usr/bin/Rscript --no-save --no-restore --no-init-file --no-environ -e "
# Below /usr/local, where each server finds it, whichever Python that one runs on.
REGISTER = "IRkernel::installspec(user = FALSE)"
# A package that cannot be installed is but a warning of install.packages, which ends well.
STRICTLY = (
    "options(Ncpus = min(4L, parallel::detectCores())); "
    "withCallingHandlers(%s, warning = function(w) "
    'if (grepl("^packages? .* (is|are) not available|had non-zero exit status", '
    "conditionMessage(w))) stop(conditionMessage(w), call. = FALSE))"
)
INSTALL = STRICTLY % "source(commandArgs(TRUE)[1])"
INSTALL_PACKAGE = STRICTLY % "remotes::install_local()"


def cran_url(recipe: Recipe, *, mirror: str, snapshots: str) -> str:
    """Where the recipe's packages come from: the mirror, or the snapshot of its date.

    :raises NotOffered: it names a date, and there are no snapshots.
    """
    if recipe.r_date and not snapshots:
        raise NotOffered(
            f"{asked_by(recipe)} asks for R packages of {recipe.r_date}, and this server has no "
            "snapshots of CRAN.",
            hint="Leave the date out, or set base.cran_snapshots.",
        )
    return snapshots.replace("{date}", recipe.r_date) if recipe.r_date else mirror


def check_version(recipe: Recipe, releases: tuple[str, ...]) -> None:
    """Refuse an R that none of the Debian `releases` has; one that is not known may have it.

    :raises NotOffered: with the version that is there.
    """
    known = [RELEASES.get(release, "") for release in releases]
    if recipe.r in ("", ANY) or recipe.r in known or "" in known:
        return
    raise NotOffered(
        f"{asked_by(recipe)} asks for R {recipe.r}; the environments of Python {recipe.python} "
        f"here have R {' or '.join(sorted(set(known)))}.",
        hint="Leave the version out of runtime.txt (r-2025-06-01), or use repo2docker for it.",
    )


def base_lines(recipe: Recipe, *, apt: str, tidy: str, cran: str) -> list[str]:
    """What is the same for every environment with R, so that they share its layers.

    `apt` is the beginning of a RUN that installs Debian packages, `tidy` its end.
    """
    url = '"$VERSION_CODENAME"'.join(shlex.quote(part) for part in cran.split("{release}"))
    lines = [
        f"{apt}{' '.join(PACKAGES)}{tidy}",
        f"RUN install -d -o 1000 -g 1000 {LIBRARY} && . /etc/os-release"
        f" && printf 'options(repos = c(CRAN = \"%s\"))\\n' {url} >> /etc/R/Rprofile.site",
        f"ENV R_LIBS_USER={LIBRARY}",
    ]
    if recipe.r != ANY:
        check = (
            f'if (!startsWith(format(getRversion()), "{recipe.r}.")) stop("this Debian release '
            f'has R ", getRversion(), ", not {recipe.r}", call. = FALSE)'
        )
        lines.append(f"RUN {RSCRIPT}{shlex.quote(check)}")
    return [*lines, f"RUN {RSCRIPT}{shlex.quote(REGISTER)}"]


def install_lines(recipe: Recipe) -> list[str]:
    """What the repository asks for, as the user, in its folder."""
    lines = []
    if recipe.r_script:
        lines.append(f"RUN {RSCRIPT}{shlex.quote(INSTALL)} {shlex.quote(recipe.r_script)}")
    if recipe.r_package:
        lines.append(f"RUN {RSCRIPT}{shlex.quote(INSTALL_PACKAGE)}")
    return lines
