FROM launcher/base:3.11-0123abcd
USER root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends r-base-core r-base-dev r-cran-irkernel r-cran-remotes libcurl4-openssl-dev libssl-dev libxml2-dev
RUN install -d -o 1000 -g 1000 /srv/rlibs && . /etc/os-release && printf 'options(repos = c(CRAN = "%s"))\n' file:///c/"$VERSION_CODENAME"'' >> /etc/R/Rprofile.site
ENV R_LIBS_USER=/srv/rlibs
RUN /usr/bin/Rscript --no-save --no-restore --no-init-file --no-environ -e 'IRkernel::installspec(user = FALSE)'
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tree
COPY --chown=1000:1000 . /srv/repo/
WORKDIR /srv/repo
USER 1000:1000
RUN --mount=type=cache,target=/tmp/uv-cache,uid=1000,gid=1000 uv pip install --compile-bytecode --link-mode=copy .
RUN /usr/bin/Rscript --no-save --no-restore --no-init-file --no-environ -e 'options(Ncpus = min(4L, parallel::detectCores())); withCallingHandlers(remotes::install_local(), warning = function(w) if (grepl("^packages? .* (is|are) not available|had non-zero exit status", conditionMessage(w))) stop(conditionMessage(w), call. = FALSE))'
RUN uv pip freeze --quiet --no-cache > /srv/env/launcher.lock
RUN /srv/env/bin/python /srv/env/launcher_lean.py environment /srv/repo
WORKDIR /home/jovyan
