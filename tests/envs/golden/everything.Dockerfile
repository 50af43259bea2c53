FROM launcher/base:3.11-0123abcd
USER root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends graphviz libxml2=2.9.14+dfsg-1.3
COPY --chown=1000:1000 ["binder/requirements.txt", "/tmp/requirements.txt"]
USER 1000:1000
RUN --mount=type=cache,target=/tmp/uv-cache,uid=1000,gid=1000 uv pip install --compile-bytecode --link-mode=copy --requirements /tmp/requirements.txt
USER root
COPY --chown=1000:1000 . /srv/repo/
WORKDIR /srv/repo
USER 1000:1000
RUN sed -i 's/\r$//' binder/postBuild && chmod +x binder/postBuild && if [ "$(head -c2 ./binder/postBuild)" = "#!" ]; then ./binder/postBuild; else bash ./binder/postBuild; fi
RUN uv pip freeze --quiet --no-cache > /srv/env/launcher.lock
RUN /srv/env/bin/python /srv/env/launcher_lean.py environment /srv/repo
RUN sed -i 's/\r$//' binder/start && chmod +x binder/start && true
ENTRYPOINT ["/bin/bash", "-c", "exec /srv/repo/binder/start \"$@\"", "start"]
WORKDIR /home/jovyan
