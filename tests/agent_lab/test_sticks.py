"""What stick tables hold is taken from one HAProxy and given to another; no byte of it is a command there."""

import http.client

import msgspec
import pytest

from lictor import wire

PLACE = "/1.0/sticks"
TABLES = {
    "src": ["    stick-table type ipv6 size 10k expire 24h", "    stick on src"],
    "cookie": [
        "    stick-table type string len 64 size 10k expire 24h",
        "    stick on req.hdr(session)",
    ],
}


@pytest.fixture
def serving(amphora, webs, request):
    members = [amphora.member(web, options=f"id {number}") for number, web in enumerate(webs, 7)]
    amphora.good = amphora.state(members, TABLES[request.param])
    amphora.deliver(amphora.good)
    return amphora


def taken(amphora):
    status, body = amphora.call("GET", path=PLACE)
    assert status == 200, body
    return msgspec.json.decode(body, type=wire.Sticks)


def give(amphora, tables, **changes):
    sticks = wire.Sticks(**{"amphora_id": amphora.id, "epoch": 1, "tables": tables} | changes)
    status, body = amphora.call("PUT", msgspec.json.encode(sticks), path=PLACE)
    return status, body.decode()


def told(amphora, cookie):
    """A request of this session."""
    connection = http.client.HTTPConnection(amphora.vip, 80, timeout=3)
    connection.request("GET", "/", headers={"session": cookie})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("serving", ["src"], indirect=True)
def test_who_stays_with_a_server_stays_with_it_in_another_haproxy(serving):
    assert len(serving.answers()) == 1
    found = taken(serving)
    assert list(found.tables) == [serving.backend]
    ((client, server),) = found.tables[serving.backend].items()
    assert client == "::ffff:198.18.0.1"
    for there in (15 - server, server):  # of 7 and 8, the other one
        serving.haproxy(f"clear table {serving.backend}")
        assert give(serving, {serving.backend: {client: there}})[0] == 200
        assert serving.answers() == {["first", "second"][there - 7]}
    assert taken(serving) == found


@pytest.mark.parametrize("serving", ["cookie"], indirect=True)
def test_cookies_of_sessions_are_taken_and_what_could_be_a_command_is_not(serving):
    good = ["abcDEF012", "a+b/c==", "node.1~x:y_z-"]
    bad = ["x\\ data.server_id", "a\\;b", "%00", "quote'", "x\\\\=y", "\x7f"]
    for cookie in good + bad:
        told(serving, cookie)
    assert sorted(taken(serving).tables[serving.backend]) == sorted(good)
    serving.haproxy(f"clear table {serving.backend}")
    hostile = ["x; clear table", "x\nshow info", "x data.server_id 8", "<<", "", "x;", "\\"]
    assert give(serving, {serving.backend: dict.fromkeys([*good, *hostile], 7)})[0] == 200
    assert (
        give(serving, {"nowhere": {"a": 7}, f"{serving.backend} key b data.server_id 7; show info": {"a": 7}})[0] == 200
    )
    assert taken(serving).tables == {serving.backend: dict.fromkeys(good, 7)}
    log = (serving.directory / "agent.log").read_text()
    assert not any(cookie in log for cookie in good), "who knows a session's cookie has the session"


@pytest.mark.parametrize("serving", ["src"], indirect=True)
def test_sticks_of_another_amphora_or_an_older_epoch_are_refused(serving):
    serving.deliver(serving.state(serving.good.haproxy.servers, TABLES["src"], epoch=5))
    assert give(serving, {}, epoch=4) == (409, '{"reason":"sticks of epoch 4 are older than what is applied: 5"}')
    assert give(serving, {}, epoch=5, amphora_id=serving.lb)[0] == 400
    assert give(serving, {}, epoch=5, version=2)[0] == 400
    assert serving.call("PUT", b'{"amphora_id": 1}', path=PLACE)[0] == 400
    assert give(serving, {}, epoch=5)[0] == 200


@pytest.mark.parametrize("serving", ["src"], indirect=True)
def test_where_no_haproxy_is_wanted_nobody_sticks(serving):
    serving.deliver(serving.state(haproxy=None))
    assert taken(serving).tables == {}
