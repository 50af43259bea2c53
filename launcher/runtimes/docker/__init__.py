"""Sessions as containers, environments as images, on one Docker engine."""

from __future__ import annotations

import contextlib
import netrc

import docker
from docker.errors import DockerException

from envs.room import Room
from launcher.config import Config
from launcher.errors import NoRuntime
from launcher.machine.proxy import proxy_of, proxy_of_environment
from launcher.machine.zone import time_zone
from launcher.people.identity import load_secret
from launcher.runtimes.docker.api import connect
from launcher.runtimes.docker.bases import DockerBases
from launcher.runtimes.docker.build_walls import PACKAGES, BuildWalls
from launcher.runtimes.docker.delegate import Delegate
from launcher.runtimes.docker.engine import Engine
from launcher.runtimes.docker.existing import ExistingImages
from launcher.runtimes.docker.images import DockerImages
from launcher.runtimes.docker.leftovers import empty_cache
from launcher.runtimes.docker.limits import BuildLimits
from launcher.runtimes.docker.network import bridge_of, network_of
from launcher.runtimes.docker.place import elsewhere, root_folder
from launcher.runtimes.docker.sessions import UID, DockerRuntime
from launcher.runtimes.docker.slots import Slots
from launcher.runtimes.docker.walls import Reach, Walls
from launcher.session import EGRESS

CALL = 60
"""Seconds for one call to the engine; starts under load take several."""


def walls_of(config: Config) -> Walls:
    """The walls round the networks of this launcher's sessions."""
    reaches = [
        Reach(
            bridge_of(network_of(config.docker.network, egress)),
            egress,
            ports=config.session.web_ports,
            private=config.session.private_networks,
        )
        for egress in EGRESS
    ]
    return Walls(tuple(reaches), elsewhere=elsewhere(), off=config.docker.firewall == "manual")


def build_walls_of(config: Config, client: docker.DockerClient) -> BuildWalls:
    """The wall round the builds of this launcher; what its settings let builds use is open."""
    urls = [config.base.index_url, config.base.cran, config.base.cran_snapshots]
    urls += proxy_of_environment().addresses
    urls += [config.base.debian_mirror, config.conda.alias, *config.conda.channels.values()]
    if config.builds.netrc_file:
        with contextlib.suppress(OSError, netrc.NetrcParseError):  # a build says what is wrong
            known = netrc.netrc(str(config.builds.netrc_file)).hosts
            urls += [f"{scheme}://{host}" for host in known for scheme in ("https", "http")]
    return BuildWalls(
        client,
        f"{config.docker.network}-builds",
        private=config.builds.private_networks,
        urls=(*PACKAGES, *urls),
        off=config.docker.firewall == "manual" or elsewhere(),
    )


def create(config: Config, instance: str) -> DockerRuntime:
    """The runtime on the engine that DOCKER_HOST names, or on this machine's.

    :raises NoRuntime: no engine answers.
    """
    try:
        client = connect(timeout=CALL)
        client.ping()
    except (DockerException, OSError) as error:
        raise NoRuntime(
            "No Docker engine answers.",
            hint="Install and start it (Debian: apt-get install docker.io), or use runtime: local.",
        ) from error
    builds = config.builds
    engine = Engine(
        client,
        timeout=builds.timeout,
        limits=BuildLimits(builds.memory, builds.cpus, builds.processes, builds.network),
        commits=builds.route == "commit" or builds.limited,
        netrc=builds.netrc_file,
        proxy=proxy_of_environment(),
        walls=build_walls_of(config, client),
        secret=load_secret(config.data),
        room=Room(
            builds.min_free,
            lambda: [config.data, *root_folder(client)],
            lambda: empty_cache(client),
        ),
    )
    bases = DockerBases(engine, config.base, config.ca_bundle, config.data / "base")
    catalogue = [entry.image for entry in config.environments.catalogue.values()]
    existing = ExistingImages(
        engine,
        config.environments.registries,
        frozenset(image[0].removeprefix("docker:") for image in catalogue if image),
    )
    delegate = Delegate(
        allowed=config.environments.builder != "native",
        program=config.environments.repo2docker,
        timeout=config.builds.timeout,
        proxy=proxy_of_environment(),
    )
    images = DockerImages(engine, bases, config.ca_bundle, config.conda, existing, delegate)
    zone = {"TZ": time_zone()} if time_zone() else {}
    homes = config.docker.homes
    if homes == "auto":
        homes = "volume" if elsewhere() else "bind"
    here = homes == "bind" and not elsewhere()
    return DockerRuntime(
        client=client,
        images=images,
        instance=instance,
        network=config.docker.network,
        homes=homes,
        read_only=config.docker.read_only,
        environment={**zone, **proxy_of(config.session.proxy, config.session.proxy).variables},
        walls=walls_of(config),
        slots=Slots((config.data / "slots").resolve(), UID) if here else None,
    )
