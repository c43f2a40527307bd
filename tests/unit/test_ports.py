"""Ports for what tests start: no two of them are one, and none is of those that the system gives away."""

from pathlib import Path

from tests.support import ports


def test_no_port_is_handed_out_twice_nor_given_away_by_the_system() -> None:
    other = ports._block(-1)  # as of another process
    ours = [ports.free_port() for _ in range(50)]
    theirs = [other.free() for _ in range(50)]
    assert len({*ours, *theirs}) == 100
    low, high = (int(n) for n in Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    if low > ports._FIRST + ports._BLOCK * 20:
        assert not [p for p in (*ours, *theirs) if low <= p <= high]
