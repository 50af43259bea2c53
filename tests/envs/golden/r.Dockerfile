FROM launcher/base:3.11-0123abcd
USER root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends r-base-core r-base-dev r-cran-irkernel r-cran-remotes libcurl4-openssl-dev libssl-dev libxml2-dev
RUN install -d -o 1000 -g 1000 /srv/rlibs && . /etc/os-release && printf 'options(repos = c(CRAN = "%s"))\n' https://cloud.r-project.org >> /etc/R/Rprofile.site
ENV R_LIBS_USER=/srv/rlibs
RUN /usr/bin/Rscript --no-save --no-restore --no-init-file --no-environ -e 'if (!startsWith(format(getRversion()), "4.2.")) stop("this Debian release has R ", getRversion(), ", not 4.2", call. = FALSE)'
RUN /usr/bin/Rscript --no-save --no-restore --no-init-file --no-environ -e 'IRkernel::installspec(user = FALSE)'
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tree
COPY --chown=1000:1000 . /srv/repo/
WORKDIR /srv/repo
USER 1000:1000
RUN /usr/bin/Rscript --no-save --no-restore --no-init-file --no-environ -e 'options(Ncpus = min(4L, parallel::detectCores())); withCallingHandlers(source(commandArgs(TRUE)[1]), warning = function(w) if (grepl("^packages? .* (is|are) not available|had non-zero exit status", conditionMessage(w))) stop(conditionMessage(w), call. = FALSE))' binder/install.R
RUN /usr/bin/Rscript --no-save --no-restore --no-init-file --no-environ -e 'options(Ncpus = min(4L, parallel::detectCores())); withCallingHandlers(remotes::install_local(), warning = function(w) if (grepl("^packages? .* (is|are) not available|had non-zero exit status", conditionMessage(w))) stop(conditionMessage(w), call. = FALSE))'
RUN uv pip freeze --quiet --no-cache > /srv/env/launcher.lock
RUN /srv/env/bin/python /srv/env/launcher_lean.py environment /srv/repo
WORKDIR /home/jovyan
