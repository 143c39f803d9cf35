"""What a heartbeat says of UDP and SCTP listeners, their pools and members. Pure."""

from collections.abc import Mapping

from lictor import wire
from lictor.agent.udp.checks import Key
from lictor.agent.udp.probes import Verdict
from lictor.agent.udp.shares import candidates


def up(listener: wire.UdpListener, verdicts: Mapping[Key, Verdict]) -> frozenset[str]:
    """Who may be given connections, as far as checks go: all, where nobody checks."""
    if listener.monitor is None:
        return frozenset(member.id for member in listener.members)
    return frozenset(member.id for member in listener.members if verdicts.get((listener.pool, member.id)))


def listener_report(listener: wire.UdpListener, figures: wire.ListenerStatistics) -> wire.ListenerReport:
    """FULL is for the limit to be reached."""
    full = figures.active_connections >= listener.limit
    return wire.ListenerReport(status="FULL" if full else "OPEN", statistics=figures)


def pool_report(listener: wire.UdpListener, verdicts: Mapping[Key, Verdict]) -> wire.PoolReport:
    """A pool is DOWN when nobody can take a connection, as HAProxy's are; not while somebody was never asked."""
    able = candidates(listener.members, up(listener, verdicts))
    words = {member.id: _word(listener, member, verdicts) for member in listener.members}
    good = able or not words or "RESTARTING" in words.values()
    return wire.PoolReport(status="UP" if good else "DOWN", members=words)


def _word(listener: wire.UdpListener, member: wire.UdpMember, verdicts: Mapping[Key, Verdict]) -> str:
    if member.disabled:
        return "MAINT"
    if listener.monitor is None:
        return "no check"
    verdict = verdicts.get((listener.pool, member.id))
    if verdict is None:
        return "RESTARTING"
    if not verdict:
        return "DOWN"
    return "UP" if member.weight else "DRAIN"
