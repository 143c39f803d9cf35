import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from lictor import wire
from lictor.agent.heartbeat import split, stamp

KEY = b"k" * 32
AMPHORA = str(uuid.UUID(int=1))


def beat(listeners, pools):
    return wire.Heartbeat(
        amphora_id=AMPHORA, boot_id="b" * 32, sequence=0, beat=0, digest="d" * 64, listeners=listeners, pools=pools
    )


def report(number):
    return wire.ListenerReport(status="OPEN", statistics=wire.ListenerStatistics(bytes_in=number, bytes_out=number * 7))


@settings(max_examples=25, deadline=None)
@given(listeners=st.integers(0, 40), sizes=st.lists(st.integers(0, 150), max_size=6), random=st.randoms())
def test_parts_fit_and_together_say_what_the_whole_said(listeners, sizes, random):
    name = lambda: str(uuid.UUID(int=random.getrandbits(128)))  # noqa: E731
    whole = beat(
        {name(): report(random.getrandbits(62)) for _ in range(listeners)},
        {
            f"{name()}:{name()}": wire.PoolReport(status="UP", members={name(): "no check" for _ in range(n)})
            for n in sizes
        },
    )
    parts = split(whole, KEY)
    found_listeners, found_pools = {}, {}
    for index, part in enumerate(parts):
        part = stamp(part, 2**53 - 1, 2**53 - 1 - index, index, len(parts))
        datagram = wire.seal(part, KEY)
        assert len(datagram) <= wire.MAX_DATAGRAM
        opened = wire.unseal(datagram, KEY)
        assert (opened.part, opened.parts) == (index, len(parts))
        found_listeners |= opened.listeners
        for pool, seen in opened.pools.items():
            found_pools.setdefault(pool, wire.PoolReport(status=seen.status, members={})).members.update(seen.members)
    assert found_listeners == whole.listeners
    assert found_pools == whole.pools


def test_a_small_beat_is_one_datagram():
    assert len(split(beat({"l": report(1)}, {}), KEY)) == 1
    assert len(split(beat({}, {}), KEY)) == 1
