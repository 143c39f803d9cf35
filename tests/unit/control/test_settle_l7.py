"""L7 policies and rules settle like everything else, and go before what they refer to."""

import pytest
from sqlalchemy import select

from lictor.control import settle
from lictor.model import L7Policy, L7Rule, Listener, Pool, Tag, changes

from .conftest import add_load_balancer, begin_task, row


@pytest.fixture
def balancer(store):
    """With two policies, of which one redirects to a pool of its own; each has a rule and a tag."""
    lb_id = add_load_balancer(store)

    def rows(session):
        below = {"load_balancer_id": lb_id, "project_id": "p"}
        session.add(Pool(id="target", protocol="HTTP", lb_algorithm="ROUND_ROBIN", **below))
        for position, (name, enabled, pool) in enumerate((("on", True, "target"), ("off", False, None)), 1):
            policy = L7Policy(
                id=name, listener_id="lb-listener", action="REDIRECT_TO_POOL" if pool else "REJECT", position=position,
                redirect_pool_id=pool, admin_state_up=enabled, **below,
            )  # fmt: skip
            rule = L7Rule(
                id=f"{name}-rule", l7policy=policy, type="PATH", compare_type="EQUAL_TO", value="/",
                admin_state_up=enabled, **below,
            )  # fmt: skip
            session.add_all([policy, rule, Tag(resource_id=rule.id, tag="blue", load_balancer_id=lb_id)])

    store.write(rows)
    return lb_id


def change(store, *steps):
    """One write for each step, which gets the session and the load balancer."""
    for step in steps:
        store.write(lambda session, step=step: step(session, changes.begin(session, "lb")))


def marks(table, *keys):
    """The write that deletes these rows."""

    def step(session, balancer):
        changes.mark_deleted(balancer, *(session.get(table, key) for key in keys))

    return step


def left(store, table):
    with store.read() as session:
        return sorted(session.scalars(select(table.id)))


def test_what_is_enabled_is_online_once_it_is_applied(store, conf, balancer):
    for table, key in ((L7Policy, "on"), (L7Rule, "on-rule")):
        assert row(store, table, key).operating_status == "OFFLINE"
    settle.success(begin_task(store, conf))
    for table, key, status in (
        (L7Policy, "on", "ONLINE"), (L7Rule, "on-rule", "ONLINE"),
        (L7Policy, "off", "OFFLINE"), (L7Rule, "off-rule", "OFFLINE"),
    ):  # fmt: skip
        settled = row(store, table, key)
        assert (settled.provisioning_status, settled.operating_status) == ("ACTIVE", status)


def test_a_deleted_policy_goes_with_its_rules_and_their_tags(store, conf, balancer):
    change(store, marks(L7Rule, "off-rule"), marks(L7Policy, "off"))
    settle.success(begin_task(store, conf))
    assert (left(store, L7Policy), left(store, L7Rule)) == (["on"], ["on-rule"])
    assert row(store, Tag, ("off-rule", "blue")) is None
    assert row(store, Tag, ("on-rule", "blue")) is not None


def test_a_listener_goes_with_its_policies_and_the_pool_that_one_of_them_redirects_to(store, conf, balancer):
    change(
        store,
        marks(L7Rule, "on-rule", "off-rule"),
        marks(L7Policy, "on", "off"),
        marks(Listener, "lb-listener"),
        marks(Pool, "target"),
    )
    settle.success(begin_task(store, conf))
    assert [left(store, table) for table in (L7Rule, L7Policy, Listener, Pool)] == [[], [], [], ["lb-pool"]]


def test_a_policy_that_goes_already_is_not_held_back_by_its_listener(store, conf, balancer):
    """Or the pool, whose deletion was applied, could not go before the policy that refers to it."""
    change(store, marks(L7Rule, "on-rule"), marks(L7Policy, "on"), marks(Pool, "target"))
    task = begin_task(store, conf)
    change(
        store,
        marks(L7Rule, "on-rule", "off-rule"),
        marks(L7Policy, "on", "off"),
        marks(Listener, "lb-listener"),
        lambda session, balancer: changes.mark_updated(balancer, session.get(L7Policy, "on")),
    )
    settle.success(task)
    assert [left(store, table) for table in (L7Policy, L7Rule, Pool)] == [["off"], ["off-rule"], ["lb-pool"]]
    settle.success(begin_task(store, conf))
    assert [left(store, table) for table in (L7Rule, L7Policy, Listener)] == [[], [], []]


def test_a_deleted_load_balancer_leaves_nothing_of_them(store, conf, balancer):
    add_load_balancer(store, "other")
    change(store, lambda session, balancer: setattr(balancer, "provisioning_status", "PENDING_DELETE"))
    while (task := begin_task(store, conf)).load_balancer.id != "lb":
        settle.success(task)
    settle.deleted(task)
    assert [left(store, table) for table in (L7Rule, L7Policy, Listener, Pool)] == [
        [], [], ["other-listener"], ["other-pool"],
    ]  # fmt: skip
    with store.read() as session:
        assert session.scalars(select(Tag.tag)).all() == []
