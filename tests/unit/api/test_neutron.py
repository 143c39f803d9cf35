"""What the stock CLI asks of Neutron and Keystone, answered from the local network."""

import pytest

from tests.unit.api.world import World


@pytest.mark.parametrize("prefix", ["/v2.0", "/v2"])
def test_networks_subnets_and_ports_are_found_by_name_and_by_id(world: World, prefix: str) -> None:
    balancer = world.balancer()
    for path, single, name, object_id in (
        ("subnets", "subnet", "private-subnet", world.subnet.id),
        ("networks", "network", "private", world.subnet.network_id),
        ("ports", "port", f"octavia-lb-{balancer['id']}", balancer["vip_port_id"]),
    ):
        for query in (f"name={name}", f"id={object_id}", f"name={name}&id={object_id}&limit=1"):
            assert [each["id"] for each in world.get(f"{prefix}/{path}", query_string=query)[path]] == [object_id]
        assert object_id in [each["id"] for each in world.get(f"{prefix}/{path}")[path]]
        assert world.get(f"{prefix}/{path}", query_string="name=other")[path] == []
        assert world.get(f"{prefix}/{path}/{object_id}")[single]["name"] == name
        assert world.get(f"{prefix}/{path}/other", 404)["faultstring"].endswith("other not found.")
    subnet = world.get(f"{prefix}/subnets/{world.subnet.id}", query_string="fields=cidr")["subnet"]
    assert subnet["cidr"] == "198.18.0.0/20"
    assert subnet["ip_version"] == 4


def test_there_are_no_qos_policies_and_no_security_groups(world: World) -> None:
    assert world.get("/v2.0/qos/policies", query_string="name=x") == {"policies": []}
    assert world.get("/v2.0/security-groups", query_string="id=x") == {"security_groups": []}
    assert world.get("/v2.0/qos/policies/x", 404)


def test_projects_are_the_default_one_the_callers_and_those_in_use(world: World) -> None:
    world.balancer(project_id="alpha")
    default = world.balancer()["project_id"]
    projects = world.http.simulate_get("/projects", headers={"X-Project-Id": "beta"}).json["projects"]
    assert [(each["id"], each["name"]) for each in projects] == [
        (default, "lictor"), ("alpha", "alpha"), ("beta", "beta"),
    ]  # fmt: skip
    assert world.http.simulate_get(f"/projects/{default}").json["project"]["name"] == "lictor"
    assert world.http.simulate_get("/projects/alpha").json["project"]["id"] == "alpha"
    assert world.http.simulate_get("/projects", query_string="name=lictor").json["projects"][0]["id"] == default
    assert world.http.simulate_get("/projects/none").status_code == 404
