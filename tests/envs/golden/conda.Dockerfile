FROM launcher/base:3.11-0123abcd
USER root
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt/lists,sharing=locked rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends graphviz
RUN install -d -o 1000 -g 1000 /srv/conda /srv/server && echo '. /srv/conda/activate' > /etc/profile.d/z-conda.sh
ENV CONDA_DIR=/srv/conda
ENV CONDA_PREFIX=/srv/conda/env
ENV CONDA_DEFAULT_ENV=env
ENV VIRTUAL_ENV=/srv/conda/env
ENV KERNEL_PYTHON_PREFIX=/srv/conda/env
ENV JUPYTER_PATH=/srv/conda/env/share/jupyter
ENV LAUNCHER_PYTHON=/srv/env/bin/python3
ENV PATH=/home/jovyan/.local/bin:/srv/server/bin:/srv/conda/env/bin:/srv/env/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER 1000:1000
RUN --mount=type=bind,source=.launcher-conda,target=/tmp/launcher-conda --mount=type=cache,target=/tmp/uv-cache,uid=1000,gid=1000 --mount=type=cache,target=/tmp/conda-cache,uid=1000,gid=1000 uv venv --quiet --python python3 /tmp/launcher-rattler && uv pip install --quiet --python /tmp/launcher-rattler/bin/python py-rattler==0.28.0 && /tmp/launcher-rattler/bin/python /tmp/launcher-conda/program.py install /tmp/launcher-conda /srv/conda/env /tmp/conda-cache && rm -rf /tmp/launcher-rattler
USER root
COPY --chown=1000:1000 [".launcher-lock.txt", "/tmp/launcher.lock"]
COPY --chown=1000:1000 . /srv/repo/
WORKDIR /srv/repo
USER 1000:1000
RUN --mount=type=cache,target=/tmp/uv-cache,uid=1000,gid=1000 uv pip install --compile-bytecode --link-mode=copy --constraint /tmp/launcher.lock --requirements .launcher-requirements.txt
USER 1000:1000
RUN --mount=type=bind,source=.launcher-conda,target=/tmp/launcher-conda --mount=type=cache,target=/tmp/uv-cache,uid=1000,gid=1000 /srv/env/bin/python /tmp/launcher-conda/program.py finish /tmp/launcher-conda /srv/conda/env - && rm -rf /srv/repo/.launcher-conda
RUN bash -c '. /srv/conda/activate && sed -i '"'"'s/\r$//'"'"' postBuild && chmod +x postBuild && if [ "$(head -c2 ./postBuild)" = "#!" ]; then ./postBuild; else bash ./postBuild; fi'
RUN uv pip freeze --quiet --no-cache > /srv/env/launcher.lock && cat /srv/conda/launcher.lock >> /srv/env/launcher.lock
RUN /srv/env/bin/python /srv/env/launcher_lean.py environment /srv/repo
RUN sed -i 's/\r$//' start && chmod +x start && true
ENTRYPOINT ["/bin/bash", "-c", ". /srv/conda/activate; exec /srv/repo/start \"$@\"", "start"]
WORKDIR /home/jovyan
