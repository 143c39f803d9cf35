"""`openstack loadbalancer ...` and `... amphora`."""

from tests.lab.deployment import eventually

from .conftest import ANY_SUBNET


def test_a_load_balancer_is_created_shown_set_unset_and_deleted(cli, shown, refused, settled):
    made = shown(
        "create --name one --description d --vip-subnet-id private-subnet --vip-address 203.0.113.7 --tag blue"
    )
    assert (made["vip_address"], made["provisioning_status"], made["tags"]) == (
        "203.0.113.7",
        "PENDING_CREATE",
        ["blue"],
    )
    settled("one")
    assert shown(f"show {made['id']}")["name"] == "one"
    cli("set --name two --description other --disable one")
    found = shown("show two")
    assert (found["description"], found["admin_state_up"]) == ("other", False)
    cli("unset --description --all-tag two")
    found = shown("show two")
    assert (found["description"], found["tags"]) == ("", [])
    settled("two")
    assert cli("delete --wait two") == ""
    assert refused("show two") == "Unable to locate two in loadbalancers"


def test_names_that_do_not_exist_are_named(refused):
    assert "nowhere" in refused("create --vip-subnet-id nowhere")
    assert refused("show nothing") == "Unable to locate nothing in loadbalancers"


def test_a_vip_is_asked_for_in_each_way(cli, shown, settled):
    port = "3b6d3bc3-0f0a-4b0f-9c2c-5d3b7f0f0a4b"
    shown("create --name by-network --vip-network-id private")
    found = shown(f"create --name by-port --vip-port-id {port} --vip-qos-policy-id {ANY_SUBNET} --vip-sg-id {port}")
    assert (found["vip_port_id"], found["vip_qos_policy_id"]) == (port, ANY_SUBNET)
    cli(f"create --name by-many --vip-subnet-id private-subnet --additional-vip subnet-id={ANY_SUBNET}")
    assert ANY_SUBNET in cli("show by-many -f value -c additional_vips")
    for name in ("by-network", "by-port", "by-many"):
        settled(name)
        cli(f"delete {name}")


def test_lists_can_be_narrowed(shown, balancer):
    assert [each["name"] for each in shown("list --name lb1")] == ["lb1"]
    for narrow in (
        f"--vip-subnet-id {ANY_SUBNET}", "--provisioning-status ACTIVE", "--operating-status OFFLINE",
        "--provider amphora", f"--project {balancer['project_id']}", "--not-tags red",
    ):  # fmt: skip
        assert "lb1" in [each["name"] for each in shown(f"list {narrow}")], narrow
    for narrow in ("--provisioning-status ERROR", "--tags red", "--operating-status DRAINING"):
        assert shown(f"list {narrow}") == [], narrow


def test_the_tree_and_its_statistics_are_shown(shown, balancer, listener):
    tree = shown("status show lb1")["loadbalancer"]
    assert (tree["name"], tree["listeners"][0]["name"]) == ("lb1", "web")
    assert shown("stats show lb1")["total_connections"] == 0


def test_a_load_balancer_with_children_is_deleted_with_cascade_only(refused, listener):
    assert "has children" in refused("delete lb1")


def test_a_fail_over_gives_a_load_balancer_new_amphorae(cli, shown, balancer):
    (before,) = shown(f"amphora list --loadbalancer {balancer['id']}")
    assert (before["status"], before["role"]) == ("ALLOCATED", "STANDALONE")
    assert cli("failover --wait lb1") == ""
    (after,) = shown("amphora list --loadbalancer lb1 --long")
    assert after["id"] != before["id"]


def test_an_amphora_is_shown_configured_and_replaced(cli, shown, settled, listener, balancer):
    (amphora,) = shown("amphora list --role STANDALONE --loadbalancer lb1")
    found = shown(f"amphora show {amphora['id']}")
    assert (found["loadbalancer_id"], found["ha_ip"]) == (balancer["id"], amphora["ha_ip"])
    assert shown(f"amphora stats show {amphora['id']}")["total_connections"] == 0
    assert cli(f"amphora configure {amphora['id']}") == ""
    assert cli(f"amphora failover {amphora['id']}") == ""
    settled("lb1")
    eventually(lambda: shown("amphora list --loadbalancer lb1")[0]["id"] != amphora["id"], 20, "a new amphora")


def test_an_amphora_that_works_is_not_deleted(shown, refused, balancer):
    (amphora,) = shown("amphora list --loadbalancer lb1")
    assert amphora["id"] in refused(f"amphora delete {amphora['id']}")
