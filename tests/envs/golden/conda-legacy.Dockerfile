FROM launcher/base:3.11-0123abcd
USER root
RUN rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends graphviz && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
COPY .launcher-conda /tmp/launcher-conda
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
RUN uv venv --quiet --python python3 /tmp/launcher-rattler && uv pip install --quiet --python /tmp/launcher-rattler/bin/python py-rattler==0.28.0 && /tmp/launcher-rattler/bin/python /tmp/launcher-conda/program.py install /tmp/launcher-conda /srv/conda/env /tmp/conda-cache && rm -rf /tmp/launcher-rattler && rm -rf /tmp/conda-cache
USER root
COPY --chown=1000:1000 [".launcher-lock.txt", "/tmp/launcher.lock"]
COPY --chown=1000:1000 . /srv/repo/
WORKDIR /srv/repo
USER 1000:1000
RUN uv pip install --compile-bytecode --link-mode=copy --no-cache --constraint /tmp/launcher.lock --requirements .launcher-requirements.txt
USER 1000:1000
RUN /srv/env/bin/python /tmp/launcher-conda/program.py finish /tmp/launcher-conda /srv/conda/env - && rm -rf /srv/repo/.launcher-conda
RUN uv pip freeze --quiet --no-cache > /srv/env/launcher.lock && cat /srv/conda/launcher.lock >> /srv/env/launcher.lock
RUN /srv/env/bin/python /srv/env/launcher_lean.py environment /srv/repo
ENTRYPOINT ["/bin/bash", "-c", ". /srv/conda/activate; exec \"$@\"", "start"]
WORKDIR /home/jovyan
