"""Listeners: what they may be, on which port, with which pool."""

import itertools

import pytest

from lictor.model import AdditionalVip, LoadBalancer
from tests.unit.api.world import World
from tests.unit.certs import Identity

WWW = Identity("www.example.com")
NOWHERE = "11111111-1111-1111-1111-111111111111"


def test_a_new_listener_has_the_defaults_of_the_reference_and_its_attributes(world: World) -> None:
    balancer = world.balancer()
    listener = world.listener(balancer)
    assert listener["loadbalancers"] == [{"id": balancer["id"]}]
    defaults = {
        "name": "", "description": "", "admin_state_up": True, "connection_limit": -1, "default_pool_id": None,
        "default_tls_container_ref": None, "sni_container_refs": [], "client_ca_tls_container_ref": None,
        "client_authentication": "NONE", "client_crl_container_ref": None, "insert_headers": {},
        "timeout_client_data": 50000, "timeout_member_connect": 5000, "timeout_member_data": 50000,
        "timeout_tcp_inspect": 0, "allowed_cidrs": None, "tls_ciphers": None, "tls_versions": None,
        "alpn_protocols": None, "hsts_max_age": None, "hsts_include_subdomains": False, "hsts_preload": False,
        "l7policies": [], "tags": [], "updated_at": None, "operating_status": "OFFLINE",
        "provisioning_status": "PENDING_CREATE", "protocol": "HTTP", "protocol_port": 80,
    }  # fmt: skip
    assert {name: listener[name] for name in defaults} == defaults
    assert set(listener) == {*defaults, "id", "project_id", "tenant_id", "created_at", "loadbalancers"}


def test_timeouts_left_out_or_null_are_those_of_the_configuration(tmp_path) -> None:
    world = World(tmp_path, haproxy_amphora__timeout_client_data=7, haproxy_amphora__timeout_tcp_inspect=9)
    listener = world.listener(world.balancer())
    assert (listener["timeout_client_data"], listener["timeout_tcp_inspect"]) == (7, 9)
    path = f"/listeners/{listener['id']}"
    assert world.change(path, timeout_client_data=0)["timeout_client_data"] == 0
    assert world.change(path, timeout_client_data=None)["timeout_client_data"] == 7


def test_one_port_carries_one_listener_whatever_its_protocol(world: World) -> None:
    balancer = world.balancer()
    world.listener(balancer, 80)
    wanted = {"loadbalancer_id": balancer["id"], "protocol_port": 80}
    for protocol in ("HTTP", "TCP", "HTTPS"):
        text = world.create("listeners", 409, protocol=protocol, **wanted, allowed_cidrs=["192.0.2.0/24"])
        assert "already using protocol HTTP and protocol_port 80" in text
    world.listener(world.balancer(), 80)
    assert len(world.get(f"/loadbalancers/{balancer['id']}")["loadbalancer"]["listeners"]) == 1


def test_listeners_that_are_created_with_their_load_balancer_need_a_port_each(whole: World) -> None:
    reject = {"action": "REJECT", "rules": [{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}]}
    first = {"protocol": "HTTP", "protocol_port": 80, "l7policies": [reject, reject]}
    for protocol in ("HTTP", "TCP"):
        wanted = {"vip_subnet_id": whole.subnet.id, "listeners": [first, {"protocol": protocol, "protocol_port": 80}]}
        text = whole.create("loadbalancers", 409, **wanted)
        assert "already using protocol HTTP and protocol_port 80" in text
    assert whole.get("/loadbalancers")["loadbalancers"] == []


def test_tcp_udp_and_sctp_each_have_the_port_for_themselves(whole: World) -> None:
    balancer = whole.balancer()
    secret = whole.secret("www.pem", WWW.bundle)
    for protocol in ("PROMETHEUS", "UDP", "SCTP"):
        whole.listener(balancer, 80, protocol=protocol)
    wanted = {"loadbalancer_id": balancer["id"], "protocol_port": 80}
    for there, protocols in {
        "PROMETHEUS": ("TCP", "HTTP", "HTTPS", "TERMINATED_HTTPS", "PROMETHEUS"),
        "UDP": ("UDP",),
        "SCTP": ("SCTP",),
    }.items():
        for protocol in protocols:
            more = {"default_tls_container_ref": secret} if protocol == "TERMINATED_HTTPS" else {}
            text = whole.create("listeners", 409, protocol=protocol, **wanted, **more)
            assert f"is already using protocol {there} and protocol_port 80" in text


def test_a_listener_can_be_deleted_and_made_again_at_once(world: World) -> None:
    balancer = world.balancer()
    world.settle()
    old = world.listener(balancer, tags=["old"], name="web")
    world.delete(f"/listeners/{old['id']}")
    assert world.get(f"/listeners/{old['id']}")["listener"]["provisioning_status"] == "PENDING_DELETE"
    assert world.get("/listeners")["listeners"][0]["provisioning_status"] == "PENDING_DELETE"
    new = world.listener(balancer, protocol="TCP", name="web")
    assert new["id"] != old["id"]
    assert [each["id"] for each in world.get("/listeners", query_string="name=web")["listeners"]] == [new["id"]]
    world.get(f"/listeners/{old['id']}", 404)
    assert world.row(balancer).provisioning_status == "PENDING_UPDATE"


def test_a_listener_being_deleted_refuses_and_needs_no_second_deletion(world: World) -> None:
    listener = world.listener(world.balancer())
    path = f"/listeners/{listener['id']}"
    world.delete(path)
    refusal = f"Listener {listener['id']} is immutable and cannot be updated."
    assert world.change(path, 409, name="x") == refusal
    assert world.delete(path, 409) == refusal
    assert world.create("pools", 409, listener_id=listener["id"], protocol="HTTP", lb_algorithm="SOURCE_IP") == refusal
    world.settle()
    world.get(path, 404)


def test_deleting_a_listener_leaves_its_pool(world: World) -> None:
    balancer = world.balancer()
    pool = world.pool(balancer)
    world.delete(f"/listeners/{world.listener(balancer, default_pool_id=pool['id'])['id']}")
    world.settle()
    assert world.get(f"/pools/{pool['id']}")["pool"]["listeners"] == []


FITS = {
    "TCP": {"TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2"},
    "HTTP": {"HTTP", "PROXY", "PROXYV2"},
    "HTTPS": {"TCP", "HTTPS", "PROXY", "PROXYV2"},
    "TERMINATED_HTTPS": {"HTTP", "PROXY", "PROXYV2"},
    "UDP": {"UDP"},
    "SCTP": {"SCTP"},
}


@pytest.mark.parametrize("protocol", FITS)
def test_listeners_take_pools_of_the_protocols_of_the_reference(whole: World, protocol: str) -> None:
    balancer, ports = whole.balancer(), itertools.count(80)
    wanted = {"loadbalancer_id": balancer["id"], "protocol": protocol}
    if protocol == "TERMINATED_HTTPS":
        wanted["default_tls_container_ref"] = whole.secret("www.pem", WWW.bundle)
    path = f"/listeners/{whole.create('listeners', protocol_port=next(ports), **wanted)['id']}"
    for pool_protocol in ("TCP", "HTTP", "HTTPS", "PROXY", "PROXYV2", "UDP", "SCTP"):
        pool = whole.pool(balancer, protocol=pool_protocol)
        below = {"protocol": pool_protocol, "lb_algorithm": "SOURCE_IP"}
        fits = pool_protocol in FITS[protocol]
        status, before = 201 if fits else 400, len(whole.get("/pools")["pools"])
        made = whole.create("listeners", status, protocol_port=next(ports), default_pool_id=pool["id"], **wanted)
        changed = whole.change(path, 200 if fits else 400, default_pool_id=pool["id"])
        bare = whole.create("listeners", protocol_port=next(ports), **wanted)
        third = whole.create("pools", status, listener_id=bare["id"], **below)
        if not fits:
            sentence = f"The pool protocol '{pool_protocol}' is invalid while the listener protocol is '{protocol}'."
            assert {made, changed, third} == {f"Validation failure: {sentence}"}
            assert len(whole.get("/pools")["pools"]) == before


def test_the_default_pool_must_be_one_of_the_same_load_balancer_and_not_on_its_way_out(world: World) -> None:
    balancer, other = world.balancer(), world.balancer()
    wanted = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": 80}
    pool = world.pool(other)
    for pool_id in (NOWHERE, pool["id"]):
        assert world.create("listeners", 404, default_pool_id=pool_id, **wanted) == f"Pool {pool_id} not found."
    going = world.pool(balancer)
    world.delete(f"/pools/{going['id']}")
    assert "immutable" in world.create("listeners", 409, default_pool_id=going["id"], **wanted)
    assert (
        world.create("listeners", 404, **wanted | {"loadbalancer_id": NOWHERE}) == f"Load Balancer {NOWHERE} not found."
    )


def test_a_listener_can_be_made_with_its_pool_members_and_monitor(world: World) -> None:
    pool = {
        "name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
        "members": [{"address": "198.18.0.10", "protocol_port": 80}],
        "healthmonitor": {"type": "PING", "delay": 1, "timeout": 1, "max_retries": 1},
    }  # fmt: skip
    listener = world.listener(world.balancer(), default_pool=pool)
    made = world.get(f"/pools/{listener['default_pool_id']}")["pool"]
    assert made["listeners"] == [{"id": listener["id"]}]
    assert len(made["members"]) == 1
    assert made["healthmonitor_id"]


def test_the_default_pool_can_be_changed_and_taken_away(world: World) -> None:
    balancer = world.balancer()
    one, two = world.pool(balancer), world.pool(balancer)
    path = f"/listeners/{world.listener(balancer, default_pool_id=one['id'])['id']}"
    assert world.change(path, default_pool_id=two["id"])["default_pool_id"] == two["id"]
    assert world.change(path, default_pool_id=None)["default_pool_id"] is None
    assert world.get(f"/pools/{two['id']}")["pool"]["listeners"] == []


@pytest.mark.parametrize("there", [False, True])
def test_sctp_depends_on_the_kernel_that_amphorae_share(world: World, monkeypatch, there: bool) -> None:
    monkeypatch.setattr("lictor.api.kernel.has_sctp", lambda: there)
    balancer, asked = world.balancer(), {"protocol": "SCTP"}
    if there:
        pool = world.pool(balancer, **asked)
        world.monitor(pool, type="SCTP")
        assert world.listener(balancer, **asked, default_pool_id=pool["id"])["protocol"] == "SCTP"
        return
    for kind, more in (("listener", {"protocol_port": 80}), ("pool", {"lb_algorithm": "ROUND_ROBIN"})):
        text = world.create(f"{kind}s", 501, loadbalancer_id=balancer["id"], **asked, **more)
        assert f"{kind} protocol SCTP, as the kernel of this host has no SCTP" in text
    pool = world.pool(balancer, protocol="UDP")
    wanted = {"pool_id": pool["id"], "delay": 5, "timeout": 1, "max_retries": 1}
    assert "healthmonitor type SCTP" in world.create("healthmonitors", 501, type="SCTP", **wanted)


def test_headers_are_those_of_the_reference_and_only_for_http(world: World) -> None:
    balancer = world.balancer()
    path = f"/listeners/{world.listener(balancer)['id']}"
    headers = {"X-Forwarded-For": "true", "X-Forwarded-Port": "False"}
    assert world.change(path, insert_headers=headers)["insert_headers"] == headers
    assert world.change(path, insert_headers=None)["insert_headers"] == {}
    assert world.change(path, 400, insert_headers={"X-Foo": "true"}) == "X-Foo is not a valid option for insert_headers"
    tcp = world.listener(balancer, 81, protocol="TCP")
    assert "insert_headers" in world.change(f"/listeners/{tcp['id']}", 400, insert_headers=headers)
    assert world.get(f"/listeners/{tcp['id']}")["listener"]["insert_headers"] == {}


def test_ranges_of_clients_are_put_in_order_and_must_be_of_the_vips_family(world: World) -> None:
    listener = world.listener(world.balancer(), allowed_cidrs=["10.1.2.3/8", "192.0.2.1", "10.0.0.0/8"])
    assert listener["allowed_cidrs"] == ["10.0.0.0/8", "192.0.2.1/32"]
    path = f"/listeners/{listener['id']}"
    assert "IP version" in world.change(path, 400, allowed_cidrs=["2001:db8::/32"])
    assert world.change(path, allowed_cidrs=None)["allowed_cidrs"] is None
    assert world.change(path, allowed_cidrs=["10.0.0.0/8"])["allowed_cidrs"] == ["10.0.0.0/8"]
    assert world.change(path, allowed_cidrs=[])["allowed_cidrs"] is None
    assert world.listener(world.balancer(), allowed_cidrs=[])["allowed_cidrs"] is None


def test_allowed_ranges_may_be_of_any_vips_ip_version(world: World) -> None:
    balancer = world.balancer()
    vip = {"load_balancer_id": balancer["id"], "subnet_id": NOWHERE, "network_id": NOWHERE, "port_id": NOWHERE}
    world.store.write(lambda session: session.add(AdditionalVip(ip_address="2001:db8::5", position=0, **vip)))
    cidrs = ["2001:db8::/32", "192.0.2.0/24"]
    assert world.listener(balancer, allowed_cidrs=cidrs)["allowed_cidrs"] == cidrs


def test_allowed_ranges_do_not_go_with_security_groups_of_ones_own(world: World) -> None:
    balancer = world.balancer()
    path = f"/listeners/{world.listener(balancer)['id']}"
    values = {"vip_sg_ids": [NOWHERE]}
    world.store.write(lambda session: session.query(LoadBalancer).update(values))
    assert "vip_sg_ids" in world.change(path, 400, allowed_cidrs=["192.0.2.0/24"])
    wanted = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": 81}
    assert "vip_sg_ids" in world.create("listeners", 400, allowed_cidrs=["192.0.2.0/24"], **wanted)
    assert world.change(path, allowed_cidrs=[])["allowed_cidrs"] is None


BAD = [
    {"protocol": "PROXY"}, {"protocol": "http"}, {"protocol": None}, {"protocol_port": 0}, {"protocol_port": None},
    {"protocol_port": 65536}, {"connection_limit": -2}, {"timeout_client_data": -1},
    {"timeout_member_data": 2_073_600_001}, {"allowed_cidrs": ["192.0.2.0/33"]}, {"allowed_cidrs": "192.0.2.0/24"},
    {"hsts_max_age": -1}, {"client_authentication": "SOMETIMES"}, {"default_tls_container_ref": "x" * 256},
    {"sni_container_refs": "x"}, {"insert_headers": {"X-Forwarded-For": "x" * 256}}, {"insert_headers": []},
    {"tls_ciphers": "A" * 2049}, {"name": "x" * 256}, {"description": "x" * 256}, {"tags": ["x" * 256]},
    {"admin_state_up": "perhaps"}, {"loadbalancer_id": None}, {"loadbalancer_id": "x"}, {"id": NOWHERE},
]  # fmt: skip
"""What is wrong with one attribute each."""


def test_attributes_out_of_their_range_are_refused(whole: World) -> None:
    wanted = {"loadbalancer_id": whole.balancer()["id"], "protocol": "HTTP", "protocol_port": 80}
    for values in BAD:
        (name,) = values
        assert name in whole.create("listeners", 400, **(wanted | values))
    assert whole.get("/listeners")["listeners"] == []


def test_attributes_at_the_ends_of_their_range_are_kept(whole: World) -> None:
    values = {
        "connection_limit": 0, "timeout_client_data": 0, "timeout_member_connect": 2_073_600_000, "name": "x" * 255,
        "timeout_member_data": 1, "timeout_tcp_inspect": 2_073_600_000, "protocol_port": 65535, "tags": ["x" * 255],
    }  # fmt: skip
    listener = whole.listener(whole.balancer(), **values)
    assert {name: listener[name] for name in values} == values


def test_null_brings_the_default_back(whole: World) -> None:
    values = {
        "name": "x", "description": "x", "connection_limit": 5, "insert_headers": {"X-Real-IP": "true"}, "tags": ["x"],
        "timeout_client_data": 1, "timeout_member_connect": 1, "timeout_member_data": 1, "timeout_tcp_inspect": 1,
        "allowed_cidrs": ["192.0.2.0/24"], "tls_ciphers": "HIGH", "tls_versions": ["TLSv1.2"], "alpn_protocols": ["h2"],
    }  # fmt: skip
    fresh = whole.listener(whole.balancer())
    path = f"/listeners/{whole.listener(whole.balancer(), **values)['id']}"
    after = whole.change(path, **dict.fromkeys(values))
    assert {name: after[name] for name in values} == {name: fresh[name] for name in values}


def test_what_a_listener_is_cannot_change(whole: World) -> None:
    balancer = whole.balancer()
    path = f"/listeners/{whole.listener(balancer)['id']}"
    for name, value in {"protocol": "TCP", "protocol_port": 81, "loadbalancer_id": balancer["id"]}.items():
        text = whole.change(path, 400, **{name: value})
        assert text == f"Unknown attribute for argument listener_.listener: {name}"


def test_children_belong_to_the_project_of_their_load_balancer(world: World) -> None:
    balancer = world.balancer(project_id="alpha")
    assert world.listener(balancer, 80)["project_id"] == "alpha"
    assert world.listener(balancer, 81, project_id="alpha")["tenant_id"] == "alpha"
    wanted = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": 82}
    assert "project_id 'beta'" in world.create("listeners", 400, project_id="beta", **wanted)
