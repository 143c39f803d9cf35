"""Filters, sorting, pages, links and fields, on load balancers and on everything below them."""

import pathlib
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import event

from tests.unit.api.world import L, World


def names(world: World, query: str = "", path: str = "/loadbalancers") -> list[str]:
    return [each["name"] for each in world.get(path, query_string=query)[path.rsplit("/", 1)[1]]]


@pytest.fixture
def three(world: World) -> World:
    world.balancer(name="b", description="x", tags=["red", "big"])
    world.balancer(name="a", description="y", tags=["red"], admin_state_up=False)
    world.balancer(name="c", description="x", project_id="other")
    return world


def test_the_oldest_come_first(three: World) -> None:
    assert names(three) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=a", ["a"]),
        ("name=", []),
        ("description=x", ["b", "c"]),
        ("description=x&name=c", ["c"]),
        ("project_id=other", ["c"]),
        ("admin_state_up=False", ["a"]),
        ("admin_state_up=yes", ["b", "c"]),
        ("provisioning_status=PENDING_CREATE&operating_status=OFFLINE&provider=amphora", ["b", "a", "c"]),
        ("provisioning_status=ACTIVE", []),
        ("vip_subnet_id=none", []),
        ("tags=red", ["b", "a"]),
        ("tags=red,big", ["b"]),
        ("tags=red&tags=big", ["b"]),
        ("tags-any=big,small", ["b"]),
        ("not-tags=red,big", ["a", "c"]),
        ("not-tags-any=red,big", ["c"]),
        ("tags=red&not-tags=big", ["a"]),
        ("sort=name", ["a", "b", "c"]),
        ("sort=name:desc", ["c", "b", "a"]),
        ("sort=description:desc,name", ["a", "b", "c"]),
        ("sort_key=description&sort_dir=asc&sort_key=name&sort_dir=desc", ["c", "b", "a"]),
        ("sort_key=name", ["a", "b", "c"]),
        ("limit=2", ["b", "a"]),
        ("limit=0", ["b", "a", "c"]),
        ("limit=infinite", ["b", "a", "c"]),
        ("limit=99999999999999999999999", ["b", "a", "c"]),
    ],
)
def test_a_list_holds_what_was_asked_for(three: World, query: str, found: list[str]) -> None:
    assert names(three, query) == found


@pytest.mark.parametrize(
    "query",
    [
        "colour=red", "name=a&name=b", "tenant_id=x", "listeners=x", "vip_sg_ids=x", "admin_state_up=perhaps",
        "created_at=yesterday", "sort=colour", "sort=name:up", "sort=name,name", "sort_key=name&sort_dir=up",
        "sort_dir=asc", "limit=many", "limit=1&limit=2", "marker=x", "marker=%00", "marker=a&marker=b", "name=%00",
        "tags=%00", "tags=" + ",".join(map(str, range(101))), "sort=vip_sg_ids", "fault=x", "generation=1",
        "marker=11111111-1111-1111-1111-111111111111",
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_400(three: World, query: str) -> None:
    assert three.get("/loadbalancers", 400, query_string=query)["faultstring"]


def test_a_moment_can_be_asked_for_as_it_is_shown(three: World) -> None:
    created = three.get("/loadbalancers")["loadbalancers"][1]["created_at"]
    assert names(three, f"created_at={created}") == ["a"]


def test_lists_are_not_filtered_by_other_objects_and_the_answer_says_so(three: World) -> None:
    for name in ("listeners", "pools", "additional_vips"):
        text = three.get("/loadbalancers", 400, query_string=f"{name}=x")["faultstring"]
        assert text.startswith("One or more arguments are either duplicate or invalid")
        assert name in text


def filled(tmp_path: pathlib.Path, **switches: object) -> World:
    world = World(tmp_path, **{f"api_settings__{name}": value for name, value in switches.items()})
    for name in ("b", "a"):
        world.balancer(name=name)
    return world


def test_where_pages_are_switched_off_lists_are_whole(tmp_path: pathlib.Path) -> None:
    world = filled(tmp_path, allow_pagination=False, pagination_max_limit="1")
    answer = world.get("/loadbalancers", query_string="limit=1&marker=nothing&page_reverse=True")
    assert [each["name"] for each in answer["loadbalancers"]] == ["b", "a"]
    assert answer["loadbalancers_links"] == []


def test_where_sorting_is_switched_off_the_oldest_come_first(tmp_path: pathlib.Path) -> None:
    assert names(filled(tmp_path, allow_sorting=False), "sort=name") == ["b", "a"]


def test_where_choosing_attributes_is_switched_off_all_are_shown(tmp_path: pathlib.Path) -> None:
    world = filled(tmp_path, allow_field_selection=False)
    shown = world.get("/loadbalancers", query_string="fields=name")["loadbalancers"]
    assert "id" in shown[0]
    assert "name" in world.get(f"/loadbalancers/{shown[0]['id']}", query_string="fields=id")["loadbalancer"]


@pytest.mark.parametrize("query", ["name=a", "tags=x", "project_id=x"])
def test_where_filters_are_switched_off_nobody_takes_the_wrong_objects_for_what_was_asked_for(
    tmp_path: pathlib.Path, query: str
) -> None:
    world = filled(tmp_path, allow_filtering=False)
    assert "allow_filtering" in world.get("/loadbalancers", 400, query_string=query)["faultstring"]
    assert names(world, "limit=1&sort=name") == ["a"]


def walk(world: World, url: str, relation: str, path: str = "loadbalancers") -> list[list[str]]:
    pages = []
    while url:
        parts = urlsplit(url)
        answer = world.http.simulate_get(parts.path, query_string=parts.query)
        assert answer.status_code == 200, answer.text
        pages.append([each["name"] for each in answer.json[path]])
        links = {link["rel"]: link["href"] for link in answer.json[f"{path}_links"]}
        url = links.get(relation, "")
    return pages


@pytest.mark.parametrize(
    ("query", "pages"),
    [
        ("limit=2", [["b", "a"], ["c"]]),
        ("limit=3", [["b", "a", "c"]]),
        ("limit=1&sort=name:desc", [["c"], ["b"], ["a"]]),
        ("limit=1&sort=description:desc,name", [["a"], ["b"], ["c"]]),
        ("limit=1&sort=updated_at", [["b"], ["a"], ["c"]]),
        ("limit=1&description=x", [["b"], ["c"]]),
        ("limit=1&tags=red&sort=name", [["a"], ["b"]]),
    ],
)
def test_following_the_links_shows_all_of_it_once(three: World, query: str, pages: list[list[str]]) -> None:
    if "updated_at" in query:  # Ids break the tie among nulls.
        pages = [[name] for _, name in sorted((each["id"], each["name"]) for each in
                                              three.get("/loadbalancers")["loadbalancers"])]  # fmt: skip
    assert walk(three, f"{L}/loadbalancers?{query}", "next") == pages


def test_rows_with_and_without_a_value_follow_each_other_across_pages(three: World) -> None:
    first = three.get("/loadbalancers")["loadbalancers"][0]
    three.change(f"/loadbalancers/{first['id']}", description="changed")
    for direction in ("asc", "desc"):
        query = f"{L}/loadbalancers?sort=updated_at:{direction}&limit=1"
        pages = [name for page in walk(three, query, "next") for name in page]
        assert sorted(pages) == ["a", "b", "c"]
        assert pages.index("b") == (2 if direction == "asc" else 0)


def test_one_can_walk_back(three: World) -> None:
    last = three.get("/loadbalancers")["loadbalancers"][2]["id"]
    url = f"{L}/loadbalancers?limit=1&marker={last}&page_reverse=True"
    assert walk(three, url, "previous") == [["a"], ["b"]]


def test_the_middle_page_links_both_ways_and_keeps_what_was_asked(three: World) -> None:
    first = three.get("/loadbalancers")["loadbalancers"][0]["id"]
    query = f"limit=1&marker={first}&admin_state_up=no&admin_state_up=no"
    assert three.get("/loadbalancers", 400, query_string=query)
    answer = three.get("/loadbalancers", query_string=f"limit=1&marker={first}&provider=amphora&fields=id&fields=name")
    links = {link["rel"]: parse_qs(urlsplit(link["href"]).query) for link in answer["loadbalancers_links"]}
    assert set(links) == {"next", "previous"}
    for query_of_link in links.values():
        assert query_of_link["provider"] == ["amphora"]
        assert query_of_link["fields"] == ["id", "name"]
        assert query_of_link["limit"] == ["1"]


def test_pages_are_never_longer_than_the_operator_allows(tmp_path) -> None:
    world = World(tmp_path, api_settings__pagination_max_limit="2")
    for name in "abc":
        world.balancer(name=name)
    assert names(world) == ["a", "b"]
    assert names(world, "limit=99") == ["a", "b"]
    assert walk(world, f"{L}/loadbalancers?limit=infinite", "next") == [["a", "b"], ["c"]]


def test_fields_choose_attributes_and_unknown_ones_choose_nothing(three: World) -> None:
    shown = three.get("/loadbalancers", query_string="fields=name&fields=colour")["loadbalancers"]
    assert shown == [{"name": "b"}, {"name": "a"}, {"name": "c"}]
    assert three.get("/loadbalancers", query_string="fields=colour")["loadbalancers"] == [{}, {}, {}]
    one = three.get("/loadbalancers")["loadbalancers"][0]["id"]
    assert three.get(f"/loadbalancers/{one}", query_string="fields=name")["loadbalancer"] == {"name": "b"}


def test_everything_below_is_found_by_what_it_hangs_on(world: World) -> None:
    one, two = world.balancer(), world.balancer()
    for balancer in (one, two):
        pool = world.pool(balancer, name="pool")
        world.listener(balancer, name="listener", default_pool_id=pool["id"])
        world.monitor(pool, name="monitor")
        world.member(pool, name="member")
    for query in ("loadbalancer_id", "load_balancer_id"):
        for path, kind in (("/listeners", "listener"), ("/pools", "pool"), ("/healthmonitors", "monitor")):
            assert names(world, f"{query}={two['id']}", path) == [kind]
    pool = world.get("/pools", query_string=f"loadbalancer_id={two['id']}")["pools"][0]
    assert names(world, f"default_pool_id={pool['id']}", "/listeners") == ["listener"]
    assert names(world, f"pool_id={pool['id']}", "/healthmonitors") == ["monitor"]
    assert names(world, f"listener_id={pool['listeners'][0]['id']}", "/pools") == ["pool"]
    assert names(world, "address=198.18.0.10&protocol_port=80", f"/pools/{pool['id']}/members") == ["member"]
    assert names(world, "protocol_port=81", f"/pools/{pool['id']}/members") == []
    assert world.get(f"/pools/{pool['id']}/members", 400, query_string="protocol_port=99999999999999999999999")


def test_a_list_of_many_costs_as_many_statements_as_a_list_of_one(world: World) -> None:
    statements: list[str] = []
    event.listen(world.store.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    def cost(path: str) -> int:
        statements.clear()
        world.get(path)
        return len(statements)

    def fill() -> None:
        balancer = world.balancer(tags=["x"])
        world.listener(balancer, default_pool_id=world.pool(balancer)["id"])

    fill()
    paths = ("/loadbalancers", "/listeners", "/pools")
    costs = [cost(path) for path in paths]
    fill()
    fill()
    assert [cost(path) for path in paths] == costs
    assert max(costs) < 8


def test_tags_are_kept_as_they_are_and_shown_in_alphabetical_order(world: World) -> None:
    tags = ["a", 'b"c', "b,c", "b\\", "c\n\x01\x7f", "d' OR 1", "ž🐎", "z]"]
    balancer = world.balancer(tags=list(reversed(tags)))
    shown = world.get(f"/loadbalancers/{balancer['id']}")["loadbalancer"]["tags"]
    assert sorted(shown) == sorted(tags)
    assert [tag for tag in shown if tag in ("a", "d' OR 1", "z]")] == ["a", "d' OR 1", "z]"]


def test_what_hangs_on_an_object_is_listed_oldest_first_however_much_it_is(world: World) -> None:
    balancer = world.balancer()
    pool = world.pool(balancer)
    wanted = [{"address": f"192.0.2.{n}", "protocol_port": 80} for n in range(1, 201)]
    world.call("PUT", f"/pools/{pool['id']}/members", 202, {"members": wanted})
    members = world.get(f"/pools/{pool['id']}/members")["members"]
    assert world.get(f"/pools/{pool['id']}")["pool"]["members"] == [{"id": each["id"]} for each in members]
    assert len(members) == 200
