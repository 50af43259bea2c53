"""What a container may use and do is in one place, and is never more than promised."""

from launcher.runtimes.docker.bounds import bounds_of
from launcher.session import Limits

GIB = 1024**3


def test_a_session_may_do_nothing_special():
    bounds = bounds_of(Limits(GIB, 1.5, 100), read_only=False)
    assert bounds["cap_drop"] == ["ALL"]
    assert bounds["security_opt"] == ["no-new-privileges"]
    assert not bounds["privileged"]
    assert bounds["mem_limit"] == bounds["memswap_limit"] == GIB
    assert bounds["nano_cpus"] == 1_500_000_000
    assert bounds["pids_limit"] == 100


def test_tmp_leaves_half_of_the_memory_to_programs():
    small = bounds_of(Limits(GIB, 1, 1, tmp=4 * GIB), read_only=False)
    assert small["tmpfs"] == {"/tmp": f"rw,exec,nosuid,nodev,mode=1777,size={GIB // 2}"}
    assert small["shm_size"] == GIB // 4


def test_where_the_root_is_read_only_the_usual_folders_are_small_ones_in_memory():
    bounds = bounds_of(Limits(GIB, 1, 1), read_only=True)
    assert bounds["read_only"]
    assert set(bounds["tmpfs"]) == {"/tmp", "/run", "/var/tmp"}
