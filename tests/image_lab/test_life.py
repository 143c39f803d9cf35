"""`make test-image FILE=…`: what an amphora lives through after it has booted: NICs come, and the power goes."""

import contextlib
import http.client
import ssl

import pytest

from lictor import wire
from tests.agent_lab.amphora import Web, eventually
from tests.image_lab.instance import Instance, free_port, needs_image, running

pytestmark = needs_image

VIP_NET, VIP_HOST, VIP, VIP_MAC = "198.18.6.0/24", "198.18.6.2", "198.18.6.10", "fa:16:3e:00:00:16"
"""A second network of QEMU's, of which this machine's loopback is ``VIP_HOST``: members live there."""

POOL, LISTENER, MEMBER = "pool", "listener", "member"


@pytest.fixture
def served(tmp_path):
    """A running instance whose VIP's NIC came after it had booted, and which serves by TLS with a member here."""
    instance = Instance(tmp_path)
    web, front = Web("a member of this machine", "127.0.0.1"), free_port()
    with running(instance):
        instance.until_it_answers()
        plug(instance, front)
        instance.deliver(**load_balancer(instance, web.port))
        yield instance, web, front


def plug(instance, front):
    """The NIC of the VIP, whose port 443 is ``front`` of our loopback."""
    forward = [{"str": f"tcp:127.0.0.1:{front}-{VIP}:443"}]
    instance.machine.plug("vip", VIP_MAC, {"net": VIP_NET, "host": VIP_HOST, "hostfwd": forward})


def load_balancer(instance, port):
    """A TERMINATED_HTTPS listener with one member; its key is a fresh one at each call."""
    issued = instance.authority.issue_server("the-users-site", 3600)
    member = wire.Server(backend=f"{POOL}:{LISTENER}", name=MEMBER, address=VIP_HOST, port=port)
    lines = ["defaults", "    mode http", "    timeout connect 10s", "    timeout client 50s", "    timeout server 50s"]
    lines += [f"frontend {LISTENER}", f"    bind {VIP}:443 ssl crt site.pem", f"    default_backend {POOL}:{LISTENER}"]
    lines += [f"backend {POOL}:{LISTENER}", f"    {member.line()}"]
    nic = wire.Interface(name="eth1", mac=VIP_MAC, addresses=[f"{VIP}/24"])
    key = wire.File(name="site.pem", content=issued.certificate + issued.private_key, kind=wire.CERTIFICATE)
    return {
        "interfaces": [nic], "files": [key],
        "haproxy": wire.HAProxy(config="\n".join(lines) + "\n", servers=[member]),
    }  # fmt: skip


def answer(front):
    """What a client of the VIP gets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", front, timeout=20, context=context)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        return connection.getresponse().read().decode()


def test_a_nic_that_comes_after_the_boot_serves_and_one_that_is_taken_away_comes_back(served):
    instance, web, front = served
    assert eventually(lambda: answer(front), 60) == "a member of this machine"
    instance.machine.unplug("vip")
    eventually(lambda: "nic-vip" not in str(instance.machine.command("qom-list", path="/machine/peripheral")), 60)
    instance.machine.command("netdev_del", id="vip")
    plug(instance, front)
    instance.deliver(generation=2, **load_balancer(instance, web.port))
    assert eventually(lambda: answer(front), 60) == "a member of this machine"


def test_after_a_power_cut_it_knows_nothing_and_serves_again_when_its_state_and_keys_come_again(served):
    instance, web, front = served
    assert eventually(lambda: answer(front), 60) == "a member of this machine"
    before = instance.until_it_answers()
    instance.machine.cut_power()
    after = eventually(lambda: (found := instance.until_it_answers()).boot_id != before.boot_id and found, 300)
    assert (after.digest, after.generation, after.haproxy_running) == ("", 0, False)
    with pytest.raises((OSError, http.client.HTTPException)):
        answer(front)
    report = instance.deliver(generation=2, **load_balancer(instance, web.port))
    assert (report.generation, report.haproxy_running) == (2, True)
    assert eventually(lambda: answer(front), 60) == "a member of this machine"
    assert instance.machine.disk_is_as_it_was()
