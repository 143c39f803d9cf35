"""The commands of python-octaviaclient, unmodified, against a real deployment with real traffic."""

import shlex
import subprocess

import pytest

from tests.lab.deployment import eventually, http_get

AS_PRINTED = """
openstack loadbalancer create --name test_1 --vip-subnet-id private-subnet --wait
openstack loadbalancer listener create --name listener_1 --protocol HTTP --protocol-port 80 --wait test_1
openstack loadbalancer pool create --name test_pool_1 --protocol HTTP --listener listener_1 --lb-algorithm ROUND_ROBIN --wait
openstack loadbalancer member create --name member_1 --subnet-id private-subnet --address {0} --protocol-port 80 --wait test_pool_1
openstack loadbalancer member create --name member_2 --subnet-id private-subnet --address {1} --protocol-port 80 --wait test_pool_1
openstack loadbalancer healthmonitor create --delay 1 --timeout 1 --max-retries 2 --type HTTP --url-path /healthy --wait test_pool_1
"""  # noqa: E501 - as they stand in Octavia's documentation and ours


def curl(vip):
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "5", f"http://{vip}/"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def answers(vip, count=10):
    return [http_get(vip)[1].strip() for _ in range(count)]


@pytest.mark.timeout(180)
def test_the_documented_commands_lead_to_the_first_byte(openstack, deployment, web):
    for command in AS_PRINTED.format(*web.addresses).strip().splitlines():
        result = openstack.type(command.removeprefix("openstack "))
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    shown, members = openstack.together("show test_1", "member list test_pool_1")
    assert shown["provisioning_status"] == "ACTIVE"
    vip = shown["vip_address"]

    both_in_turn(vip)
    eventually(lambda: statuses(deployment) == ["ONLINE", "ONLINE"], 10, "both members are ONLINE")
    a_member_that_fails_its_check_gets_no_traffic(openstack, deployment, web, vip)
    what_is_shown_of_each(openstack, web, shown, members)
    unloved = openstack.refused("delete test_1")
    assert f"Cannot delete Load Balancer {shown['id']} - it has children" in unloved
    assert curl(vip) in ("web1", "web2")
    openstack("delete --cascade --wait test_1")
    assert openstack.shown("list") == []
    for kind in ("listeners", "pools", "healthmonitors"):
        assert deployment.call("GET", f"/{kind}") == []
    with pytest.raises(OSError):
        http_get(vip, timeout=0.3)


def ids(objects):
    return sorted(each["id"] for each in objects)


def both_in_turn(vip):
    turns = [curl(vip) for _ in range(10)]
    assert turns in (["web1", "web2"] * 5, ["web2", "web1"] * 5)


def statuses(deployment):
    (pool,) = deployment.call("GET", "/pools")
    members = deployment.call("GET", f"/pools/{pool['id']}/members")
    return [each["operating_status"] for each in sorted(members, key=lambda each: each["name"])]


def a_member_that_fails_its_check_gets_no_traffic(openstack, deployment, web, vip):
    web.servers[1].healthy(False)
    # delay 1 s, max_retries_down 3 (the default): seconds, not minutes.
    eventually(lambda: statuses(deployment) == ["ONLINE", "ERROR"], 10, "member_2 is in ERROR")
    assert set(answers(vip)) == {"web1"}
    members, tree = openstack.together("member list test_pool_1", "status show test_1")
    assert {each["name"]: each["operating_status"] for each in members} == {"member_1": "ONLINE", "member_2": "ERROR"}
    assert tree["loadbalancer"]["operating_status"] == "DEGRADED"
    assert tree["loadbalancer"]["listeners"][0]["pools"][0]["operating_status"] == "DEGRADED"

    web.servers[1].healthy()
    eventually(lambda: statuses(deployment) == ["ONLINE", "ONLINE"], 10, "member_2 is back")
    both_in_turn(vip)


def what_is_shown_of_each(openstack, web, shown, members):
    """The six objects are what the commands asked for, and found by name and by id alike."""
    (monitor,) = openstack.shown("healthmonitor list")
    by_name = openstack.together(
        "listener show listener_1",
        "pool show test_pool_1",
        "member show test_pool_1 member_1",
        f"healthmonitor show {monitor['id']}",
        "status show test_1",
    )
    listener, pool, member, monitor, tree = by_name
    assert (listener["protocol"], listener["protocol_port"]) == ("HTTP", 80)
    assert (listener["loadbalancers"], listener["default_pool_id"]) == ([{"id": shown["id"]}], pool["id"])
    assert (pool["protocol"], pool["lb_algorithm"]) == ("HTTP", "ROUND_ROBIN")
    assert ids(pool["members"]) == ids(members)
    assert pool["healthmonitor_id"] == monitor["id"]
    assert (member["address"], member["protocol_port"], member["weight"]) == (web.addresses[0], 80, 1)
    checked = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 2, "url_path": "/healthy"}
    assert {name: monitor[name] for name in checked} == checked
    tree = tree["loadbalancer"]
    assert (tree["id"], tree["name"], tree["operating_status"]) == (shown["id"], "test_1", "ONLINE")
    (branch,) = tree["listeners"]
    (leaf,) = branch["pools"]
    assert [each["name"] for each in leaf["members"]] == ["member_1", "member_2"]
    assert leaf["health_monitor"]["type"] == "HTTP"
    by_id = openstack.together(
        f"show {shown['id']}",
        f"listener show {listener['id']}",
        f"pool show {pool['id']}",
        f"member show {pool['id']} {member['id']}",
    )
    assert [each["id"] for each in by_id] == [shown["id"], listener["id"], pool["id"], member["id"]]
    assert by_id[1:] == [listener, pool, member]


@pytest.fixture
def tree(deployment, openstack, web):
    """A load balancer named lb with listener, pool, member and healthmonitor, made by the client without --wait."""
    subnet = deployment.subnet()
    made = {"lb": openstack.shown(f"create --name lb --vip-subnet-id {subnet} --description first --tag blue")}
    lb = made["lb"]["id"]
    made["listener"] = openstack.shown(f"listener create --name listener --protocol TCP --protocol-port 7 {lb}")
    place = f"--listener {made['listener']['id']}"
    made["pool"] = openstack.shown(f"pool create --name pool --protocol TCP {place} --lb-algorithm SOURCE_IP")
    pool = made["pool"]["id"]
    made["member"], made["monitor"] = openstack.together(
        f"member create --name member --address {web.addresses[0]} --protocol-port 7 --weight 5 {pool}",
        f"healthmonitor create --name monitor --delay 5 --timeout 4 --max-retries 3 --type TCP {pool}",
    )
    deployment.wait_active(lb)
    yield {name: each["id"] for name, each in made.items()}
    if not deployment.gone(f"/loadbalancers/{lb}"):
        deployment.call("DELETE", f"/loadbalancers/{lb}?cascade=true")
    deployment.wait_gone(f"/loadbalancers/{lb}")


@pytest.mark.timeout(240)
def test_every_command_of_every_object_by_name_and_by_id(openstack, deployment, tree):
    the_lists(openstack, tree)
    set_by_name_and_seen(openstack, tree)
    unset_by_id_and_seen(openstack, tree)
    deployment.wait_active(tree["lb"])
    statistics(openstack, tree)
    deleted_one_by_one(openstack, deployment, tree)


def the_lists(openstack, tree):
    found = openstack.together(
        "list", "listener list --loadbalancer lb", "pool list --loadbalancer lb", "member list pool",
        "healthmonitor list", "list --name lb", "list --name other", "list --tags blue", "list --tags red",
        "listener list --name listener",
    )  # fmt: skip
    there = [[each["id"] for each in answer] for answer in found]
    five = [[tree[name]] for name in ("lb", "listener", "pool", "member", "monitor")]
    assert there == [*five, [tree["lb"]], [], [tree["lb"]], [], [tree["listener"]]]
    assert (found[3][0]["weight"], found[3][0]["protocol_port"]) == (5, 7)


SET = """
set --description second --tag green --name lb2 lb
listener set --connection-limit 100 --timeout-client-data 1000 --disable --name listener2 listener
pool set --lb-algorithm ROUND_ROBIN --description pooled --session-persistence type=SOURCE_IP --name pool2 pool
member set --weight 7 --enable-backup --monitor-port 80 --name member2 {pool} member
healthmonitor set --delay 6 --max-retries-down 5 --disable --name monitor2 monitor
"""


def set_by_name_and_seen(openstack, tree):
    for command in SET.format(**tree).strip().splitlines():
        assert openstack(command) == "", shlex.split(command)
    lb, listener, pool, member, monitor = openstack.together(
        "show lb2", "listener show listener2", "pool show pool2", "member show pool2 member2",
        "healthmonitor show monitor2",
    )  # fmt: skip
    assert (lb["description"], sorted(lb["tags"])) == ("second", ["blue", "green"])
    assert (listener["connection_limit"], listener["timeout_client_data"]) == (100, 1000)
    assert listener["admin_state_up"] is False
    assert (pool["lb_algorithm"], pool["description"]) == ("ROUND_ROBIN", "pooled")
    assert "SOURCE_IP" in str(pool["session_persistence"])
    assert (member["weight"], member["backup"], member["monitor_port"]) == (7, True, 80)
    assert (monitor["delay"], monitor["max_retries_down"], monitor["admin_state_up"]) == (6, 5, False)


UNSET = """
unset --description --tag blue {lb}
listener unset --connection-limit --timeout-client-data --name {listener}
pool unset --session-persistence --description {pool}
member unset --weight --backup --monitor-port {pool} {member}
healthmonitor unset --max-retries-down --name {monitor}
listener set --enable {listener}
healthmonitor set --enable {monitor}
"""


def unset_by_id_and_seen(openstack, tree):
    for command in UNSET.format(**tree).strip().splitlines():
        assert openstack(command) == "", shlex.split(command)
    lb, listener, pool, member, monitor = openstack.together(
        "show {lb}".format(**tree), "listener show {listener}".format(**tree), "pool show {pool}".format(**tree),
        "member show {pool} {member}".format(**tree), "healthmonitor show {monitor}".format(**tree),
    )  # fmt: skip
    assert (lb["description"], lb["tags"]) == ("", ["green"])
    assert (listener["connection_limit"], listener["timeout_client_data"], listener["name"]) == (-1, 50000, "")
    assert (pool["session_persistence"], pool["description"]) == (None, "")
    assert (member["weight"], member["backup"], member["monitor_port"]) == (1, False, None)
    assert (monitor["max_retries_down"], monitor["name"]) == (3, "")


def statistics(openstack, tree):
    figures = {"active_connections", "bytes_in", "bytes_out", "request_errors", "total_connections"}
    for found in openstack.together("stats show lb2", f"listener stats show {tree['listener']}"):
        assert set(found) == figures
        assert all(isinstance(value, int) for value in found.values())


def deleted_one_by_one(openstack, deployment, tree):
    openstack("healthmonitor delete {monitor}".format(**tree))
    openstack("member delete pool2 member2")
    openstack("pool delete pool2")
    openstack("listener delete {listener}".format(**tree))
    for path in ("/healthmonitors/{monitor}", "/pools/{pool}", "/listeners/{listener}"):
        deployment.wait_gone(path.format(**tree), 10)
    openstack("delete lb2 --wait")
    assert openstack.shown("list") == []
    assert f"{tree['lb']}" in openstack.refused(f"show {tree['lb']}")


@pytest.mark.timeout(120)
def test_what_the_client_is_told_when_it_asks_for_what_is_not_there(openstack, deployment, balancer):
    for _ in range(2):
        balancer(name="twin").becomes(lb="ONLINE")
    before = deployment.call("GET", "/loadbalancers")
    assert "nowhere" in openstack.refused("create --name x --vip-subnet-id nowhere")
    assert "nobody" in openstack.refused("show nobody")
    assert "twin" in openstack.refused("set --description mine twin")
    assert "10.1.2.3" in openstack.refused("create --vip-subnet-id private-subnet --vip-address 10.1.2.3")
    assert deployment.call("GET", "/loadbalancers") == before
