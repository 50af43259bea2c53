"""Imports go one way: who reads a package needs to know only those below it."""

from __future__ import annotations

import ast
import graphlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOPS = ("launcher", "envs", "link_generator")
RUNTIMES = ("launcher.runtimes.docker", "launcher.runtimes.local")
NEVER = {
    "link_generator": ("envs", "launcher", "docker"),
    "envs": ("launcher", "link_generator", "docker"),
    "launcher.content": (*RUNTIMES, "launcher.web"),
    "launcher.runtimes": ("launcher.content", "link_generator"),
    "launcher.sessions": RUNTIMES,
    "launcher.warm": RUNTIMES,
    "launcher.room": RUNTIMES,
    "launcher.web": RUNTIMES,
    "launcher.cli": RUNTIMES,
    "launcher.gateway": ("launcher.runtimes", "launcher.content", "link_generator", "envs"),
}
"""What a package never knows, as the README's table says."""


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for top in TOPS for path in (ROOT / top).rglob("*.py")}


def imports_of(module: str) -> Iterator[str]:
    """What a module imports, at its top or in a function; not what only its annotations name."""
    todo: list[ast.AST] = [ast.parse(MODULES[module].read_text("utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        todo += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:  # dots stay in their package
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else str(node.module) for name in names)


def is_part(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def part_of(module: str) -> str:
    """The package below `launcher`, or the module beside those packages."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("package", sorted(NEVER))
def test_a_package_never_knows_what_it_must_not(package):
    known = [(one, name) for one in MODULES if is_part(one, package) for name in imports_of(one)]
    assert known
    assert not [pair for pair in known if any(is_part(pair[1], no) for no in NEVER[package])]


def test_only_the_docker_runtime_knows_its_engine():
    knows = {one for one in MODULES if any(is_part(name, "docker") for name in imports_of(one))}
    assert knows
    assert {one for one in knows if not is_part(one, "launcher.runtimes.docker")} == set()


def test_packages_of_the_launcher_never_import_each_other_in_a_circle():
    below: dict[str, set[str]] = defaultdict(set)
    for module in MODULES:
        for name in imports_of(module):
            if is_part(module, "launcher") and is_part(name, "launcher"):
                below[part_of(module)].add(part_of(name))
    for part, others in below.items():
        others.discard(part)
    order = list(graphlib.TopologicalSorter(below).static_order())
    assert order.index("launcher.launch") < order.index("launcher.app")
