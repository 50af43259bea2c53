FROM launcher/base:3.11-0123abcd
USER root
COPY --chown=1000:1000 . /srv/repo/
WORKDIR /srv/repo
USER 1000:1000
RUN uv pip freeze --quiet --no-cache > /srv/env/launcher.lock
RUN /srv/env/bin/python /srv/env/launcher_lean.py environment /srv/repo
WORKDIR /home/jovyan
