"""What the agent refuses, and that everything stays as it was then, running and on disk."""

import http.client
import os
import socket
import ssl
import subprocess
import time

import msgspec
import pytest

from lictor import wire
from lictor.amphora.pki import Authority
from tests.agent_lab.amphora import Web, eventually, unsafe_context


@pytest.fixture
def serving(amphora, webs):
    amphora.good = amphora.state([amphora.member(webs[0])])
    amphora.deliver(amphora.good)
    amphora.before = _everything(amphora)
    return amphora


def _everything(amphora):
    current = (amphora.home / "current").resolve()
    files = {str(file.relative_to(current)): file.read_bytes() for file in current.rglob("*") if file.is_file()}
    rules = subprocess.run(
        ["ip", "netns", "exec", amphora.namespace, "nft", "list", "ruleset"], capture_output=True, check=True
    ).stdout
    return amphora.worker(), amphora.haproxy_pids(), files, rules, amphora.inner("-br address"), amphora.inner("route")


def _untouched(amphora):
    assert amphora.answers(3) == {"first"}
    assert _everything(amphora) == amphora.before
    assert amphora.report().digest == amphora.good.digest()
    assert len(list((amphora.home / "states").iterdir())) == 1


def test_a_configuration_that_haproxy_refuses_is_refused_in_its_words(serving):
    reason = serving.refused(serving.state(backend_lines=["    balance by-the-moon"]))
    assert "unknown" in reason.lower() or "only supports" in reason
    assert "by-the-moon" in reason or "balance" in reason
    _untouched(serving)


def test_rules_that_nft_refuses_are_refused_in_its_words(serving):
    assert "syntax error" in serving.refused(serving.state(nftables="table inet x { nonsense }"))
    _untouched(serving)


def test_a_configuration_that_keepalived_refuses_is_refused(serving):
    assert "keepalived" in serving.refused(serving.state(keepalived="vrrp_instance x {\n state NONSENSE\n"))
    _untouched(serving)


def test_a_state_of_another_amphora_or_version_is_refused(serving):
    assert "this is" in serving.refused(serving.state(amphora_id="8e7f5e1c-0000-4000-8000-000000000000"))
    assert "version 9" in serving.refused(serving.state(version=9))
    _untouched(serving)


NONSENSE = [b"", b"nonsense", b"[]", b'{"version":1}', b'{"generation":"one"}', b"\xff\xfe", b"{" * 9000]


@pytest.mark.parametrize("body", NONSENSE)
def test_a_body_that_is_no_state_is_refused(serving, body):
    status, answer = serving.call("PUT", body)
    assert status == 400
    assert msgspec.json.decode(answer, type=wire.Refusal).reason
    _untouched(serving)


def datagrams(mark=1 << 31, **changes):
    address = {"address": "192.0.2.7", "port": 53, "check_address": "192.0.2.7", "check_port": 53}
    members = [wire.UdpMember(id="m", mark=mark, **address)]
    given = {"id": "l", "protocol": "udp", "port": 53, "vips": ["192.0.2.1"], "limit": 1, "members": members}
    return wire.UdpListener(**given | changes)


def test_values_that_would_become_commands_are_refused(serving):
    web = Web("x")
    bad = [
        {"interfaces": [wire.Interface(name="eth1\nlink del eth1", mac=serving.mac)]},
        {"interfaces": [wire.Interface(name="eth1", mac="x; reboot")]},
        {"interfaces": [wire.Interface(name="eth1", mac=serving.mac, addresses=["10.0.0.1/33"])]},
        {"files": [wire.File(name="../../evil", content="")]},
        {"servers": [serving.member(web, options="check; shutdown frontend x")]},
        {"servers": [serving.member(web, backend="a/b")]},
        {"udp": [datagrams(protocol="udp } flush ruleset")]},
        {"udp": [datagrams(id="x { } }")]},
        {"udp": [datagrams(vips=["192.0.2.1 . udp . 53 : drop"])]},
        {"udp": [datagrams(mark=0)]},
    ]
    for changes in bad:
        assert "must be" in serving.refused(serving.state(**changes))
    _untouched(serving)


def test_a_nic_that_does_not_come_leaves_all_as_it_was(serving):
    state = serving.state()
    interface = wire.Interface(name="eth2", mac="fa:16:3e:ff:ff:ff")
    reason = serving.refused(msgspec.structs.replace(state, interfaces=[*state.interfaces, interface]), 500)
    assert "fa:16:3e:ff:ff:ff" in reason
    _untouched(serving)


def test_a_port_that_cannot_be_bound_leaves_the_old_configuration_serving(serving):
    holder = ["ip", "netns", "exec", serving.namespace, "python3", "-c"]
    script = "import socket,time; s=socket.socket(); s.bind(('198.18.0.2',81)); s.listen(); print(1,flush=True)"
    script += "; time.sleep(60)"
    with subprocess.Popen([*holder, script], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        reason = serving.refused(serving.state(frontend_lines=["    bind 198.18.0.2:81"]), 500)
        process.kill()
    assert "bind" in reason
    eventually(lambda: serving.answers(3) == {"first"})
    assert serving.report().digest == serving.good.digest()
    assert b":81" not in (serving.home / "current" / "haproxy.cfg").read_bytes()
    serving.deliver(serving.state(frontend_lines=["    bind 198.18.0.2:81"]))


def test_an_older_state_is_fenced_also_after_the_agent_was_killed(serving):
    older = msgspec.structs.replace(serving.good, generation=serving.good.generation + 9, epoch=0)
    assert "older" in serving.refused(older, 409)
    serving.end(9)
    serving.start()
    assert "older" in serving.refused(older, 409)
    assert "older" in serving.refused(msgspec.structs.replace(serving.good, generation=0), 409)
    _untouched(serving)
    serving.deliver(serving.good)


def test_a_full_tmpfs_leaves_all_as_it_was(bare, webs):
    bare.home.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", bare.home], check=True)
    try:
        bare.start()
        bare.good = bare.state([bare.member(webs[0])])
        bare.deliver(bare.good)
        bare.before = _everything(bare)
        big = wire.File(name="big", content="x" * 2**21)
        assert "No space left" in bare.refused(bare.state(files=[big]), 500)
        _untouched(bare)
        filler = bare.home / "filler"
        with filler.open("wb") as stream, pytest.raises(OSError, match="No space"):
            while True:
                os.write(stream.fileno(), b"x" * 4096)
        assert "No space left" in bare.refused(bare.state(), 500)
        filler.unlink()
        _untouched(bare)
    finally:
        bare.close()
        subprocess.run(["umount", "-l", bare.home], check=False)


def test_without_haproxy_installed_the_reason_says_so(bare, webs):
    tools = bare.directory / "bin"
    tools.mkdir()
    for tool in ("ip", "nft", "nsenter", "sh", "keepalived"):
        found = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        (tools / tool).symlink_to(found)
    bare.start(PATH=str(tools))
    assert "haproxy is not installed" in bare.refused(bare.state([bare.member(webs[0])]), 500)
    assert bare.report().digest == ""


# --- who may speak, and how


def test_only_the_controller_is_obeyed(serving):
    other = serving.authority.issue_server("4b7f5e1c-0000-4000-8000-000000000000", 60)
    for context in (
        unsafe_context(serving, None, None),
        unsafe_context(serving, other.certificate, other.private_key),  # an amphora's: good for a server only
    ):
        with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
            serving.call("GET", context=context)
    old = Authority.open(serving.directory / "ca").client_context()
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        serving.call("GET", context=old)
    _untouched(serving)


def test_clients_that_hang_do_not_keep_others_waiting(serving):
    hanging = [socket.create_connection(("127.0.0.1", serving.port)) for _ in range(20)]
    raw = socket.create_connection(("127.0.0.1", serving.port))
    tls = serving.authority.client_context().wrap_socket(raw, server_hostname=serving.id)
    tls.sendall(b"PUT /1.0/state HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    assert serving.report().generation == serving.good.generation
    tls.close()
    hanging[0].settimeout(15)
    assert hanging[0].recv(1) == b""  # dropped
    _untouched(serving)


def test_a_crowd_of_half_open_clients_is_dropped_and_the_controller_gets_through_again(serving):
    hanging = [socket.create_connection(("127.0.0.1", serving.port)) for _ in range(80)]
    eventually(serving.report, 15)
    assert hanging
    _untouched(serving)


def test_what_is_not_one_of_the_two_calls_is_told_so(serving):
    assert serving.call("GET", path="/1.0/other")[0] == 404
    assert serving.call("DELETE")[0] == 405
    raw = socket.create_connection(("127.0.0.1", serving.port))
    with serving.authority.client_context().wrap_socket(raw, server_hostname=serving.id) as tls:
        tls.sendall(b"PUT /1.0/state HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
        assert b"413" in tls.recv(1000)
    time.sleep(0.1)
    _untouched(serving)
