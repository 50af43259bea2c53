"""Sessions as processes, environments as prepared venvs: for a demo or one trusted person."""

from __future__ import annotations

from envs.room import Room
from launcher.config import Config
from launcher.machine.proxy import proxy_of
from launcher.runtimes.local.cgroups import find_cgroups
from launcher.runtimes.local.images import LocalImages, empty_caches
from launcher.runtimes.local.sandbox import find_sandbox
from launcher.runtimes.local.sessions import LocalRuntime


def create(config: Config, instance: str) -> LocalRuntime:
    """The runtime on this machine's own processes."""
    sandbox = find_sandbox()
    images = LocalImages(
        folder=config.data / "envs",
        data=config.data,
        server=config.base.server,
        index_url=config.base.index_url,
        ca_bundle=config.ca_bundle,
        sandbox=sandbox,
        conda=config.conda,
        timeout=config.builds.timeout,
        netrc=config.builds.netrc_file,
        room=Room(
            config.builds.min_free,
            lambda: [config.data],
            lambda: empty_caches(config.data / "envs"),
        ),
    )
    return LocalRuntime(
        folder=config.data / "run" / "local",
        images=images,
        sandbox=sandbox,
        cgroups=find_cgroups(instance),
        variables=proxy_of(config.session.proxy, config.session.proxy).variables,
    )
