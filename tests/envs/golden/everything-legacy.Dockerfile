FROM launcher/base:3.11-0123abcd
USER root
RUN rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends graphviz libxml2=2.9.14+dfsg-1.3 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
COPY --chown=1000:1000 ["binder/requirements.txt", "/tmp/requirements.txt"]
USER 1000:1000
RUN uv pip install --compile-bytecode --link-mode=copy --no-cache --requirements /tmp/requirements.txt
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
