"""The kernel's files of a container's memory, on both kinds of cgroups and both drivers."""

import pytest

from launcher.runtimes.docker.memory import memory_of, processes_of


@pytest.mark.parametrize(
    ("folder", "usage", "cached"),
    [
        ("memory/docker/c1", "memory.usage_in_bytes", "total_inactive_file"),
        ("memory/system.slice/docker-c1.scope", "memory.usage_in_bytes", "total_inactive_file"),
        ("system.slice/docker-c1.scope", "memory.current", "inactive_file"),
        ("docker/c1", "memory.current", "inactive_file"),
    ],
)
def test_cached_files_that_could_go_do_not_count(tmp_path, folder, usage, cached):
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / usage).write_text("1000\n")
    (tmp_path / folder / "memory.stat").write_text(f"anon 5\n{cached} 300\nother 7\n")
    assert memory_of("c1", tmp_path) == 700
    assert memory_of("c2", tmp_path) is None


def test_a_container_s_processes_are_those_of_its_group(tmp_path):
    (tmp_path / "system.slice/docker-c1.scope").mkdir(parents=True)
    (tmp_path / "system.slice/docker-c1.scope/cgroup.procs").write_text("12\n345\n")
    assert processes_of("c1", tmp_path) == [12, 345]
    assert processes_of("c2", tmp_path) is None
