"""L7 rules: what they compare with what, how many there are, whom they touch."""

from typing import Any

import pytest

from tests.unit.api.world import World

NOWHERE = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def policy(whole: World) -> Any:
    return whole.policy(whole.listener(whole.balancer()))


def test_a_new_rule_has_the_attributes_of_the_reference_and_touches_policy_and_listener(
    whole: World, policy: Any
) -> None:
    whole.settle()
    rule = whole.rule(policy, type="HEADER", compare_type="EQUAL_TO", key="X-A", value="b", tags=["b", "a"])
    expected = {
        "type": "HEADER", "compare_type": "EQUAL_TO", "key": "X-A", "value": "b", "invert": False,
        "admin_state_up": True, "tags": ["a", "b"], "updated_at": None, "operating_status": "OFFLINE",
        "provisioning_status": "PENDING_CREATE", "project_id": policy["project_id"], "tenant_id": policy["project_id"],
    }  # fmt: skip
    assert rule == expected | {"id": rule["id"], "created_at": rule["created_at"]}
    assert whole.get(f"/l7policies/{policy['id']}/rules/{rule['id']}")["rule"] == rule
    shown = whole.get(f"/l7policies/{policy['id']}")["l7policy"]
    assert (shown["rules"], shown["provisioning_status"]) == ([{"id": rule["id"]}], "PENDING_UPDATE")
    listener = whole.get(f"/listeners/{policy['listener_id']}")["listener"]
    assert listener["provisioning_status"] == "PENDING_UPDATE"


GOOD = [
    ("HOST_NAME", "EQUAL_TO", None, "www.example.com"), ("HOST_NAME", "REGEX", None, r"^(www|m)\.example\.com$"),
    ("PATH", "STARTS_WITH", None, "/images"), ("PATH", "CONTAINS", None, '"with space"'),
    ("PATH", "REGEX", None, "/[a-z ]+/"), ("FILE_TYPE", "EQUAL_TO", None, "jpg"), ("FILE_TYPE", "REGEX", None, "jpe?g"),
    ("HEADER", "ENDS_WITH", "X-My_Header.1", 'a\\"b;'), ("HEADER", "REGEX", "X-A", "a b"),
    ("COOKIE", "EQUAL_TO", "session", "a=b,c"), ("COOKIE", "REGEX", "session", "a b"),
    ("SSL_CONN_HAS_CERT", "EQUAL_TO", None, "True"), ("SSL_VERIFY_RESULT", "EQUAL_TO", None, "0"),
    ("SSL_DN_FIELD", "EQUAL_TO", "CN", "My Company, Ltd."), ("SSL_DN_FIELD", "REGEX", "CN", "^a"),
    ("PATH", "EQUAL_TO", None, "x" * 255),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "compare_type", "key", "value"), GOOD)
def test_what_can_be_compared_is_accepted_and_kept_as_it_is(
    whole: World, policy: Any, kind: str, compare_type: str, key: str | None, value: str
) -> None:
    rule = whole.rule(policy, type=kind, compare_type=compare_type, key=key, value=value)
    assert (rule["type"], rule["compare_type"], rule["key"], rule["value"]) == (kind, compare_type, key, value)


BAD = [
    ("PATH", "EQUAL_TO", None, "", "value is empty"),
    ("PATH", "EQUAL_TO", None, "a b", "put it in quotes for spaces"),
    ("HOST_NAME", "EQUAL_TO", None, "münchen.example", "ASCII's visible ones"),
    ("HEADER", "EQUAL_TO", "X-A", "a\tb", "ASCII's visible ones"),
    ("PATH", "CONTAINS", None, 'a "b"', "put it in quotes for spaces"),
    ("PATH", "REGEX", None, "a\x01b", "value 'a\\x01b' has control characters"),
    ("SSL_DN_FIELD", "EQUAL_TO", "CN", "a\u2028b", "has control characters"),
    ("PATH", "REGEX", None, "(", "'(' is not a regular expression: "),
    ("PATH", "REGEX", None, "a{99999999999}", "is not a regular expression"),
    ("HEADER", "EQUAL_TO", None, "x", "type HEADER needs a key"),
    ("HEADER", "EQUAL_TO", "", "x", "type HEADER needs a key"),
    ("HEADER", "EQUAL_TO", "a b", "x", "key 'a b' is not the name of a header"),
    ("HEADER", "REGEX", "a:", "x", "key 'a:' is not the name of a header"),
    ("COOKIE", "EQUAL_TO", None, "x", "type COOKIE needs a key"),
    ("COOKIE", "EQUAL_TO", "a=b", "x", "key 'a=b' is not the name of a cookie"),
    ("COOKIE", "EQUAL_TO", "a", "b;c", "characters that a cookie cannot have"),
    ("COOKIE", "EQUAL_TO", "a", '"b c"', "characters that a cookie cannot have"),
    ("FILE_TYPE", "STARTS_WITH", None, "jpg", "type FILE_TYPE takes compare_type REGEX or EQUAL_TO, not STARTS_WITH"),
    ("FILE_TYPE", "EQUAL_TO", None, "j p", "put it in quotes"),
    ("SSL_CONN_HAS_CERT", "EQUAL_TO", None, "false", "takes the value true, not 'false'"),
    ("SSL_CONN_HAS_CERT", "REGEX", None, "true", "takes compare_type EQUAL_TO, not REGEX"),
    ("SSL_CONN_HAS_CERT", "EQUAL_TO", "a", "true", "takes no key"),
    ("SSL_VERIFY_RESULT", "EQUAL_TO", None, "-1", "takes a whole number of 0 or more, not '-1'"),
    ("SSL_VERIFY_RESULT", "EQUAL_TO", None, "²", "takes a whole number"),
    ("SSL_VERIFY_RESULT", "CONTAINS", None, "1", "takes compare_type EQUAL_TO"),
    ("SSL_VERIFY_RESULT", "EQUAL_TO", "a", "1", "takes no key"),
    ("SSL_DN_FIELD", "EQUAL_TO", None, "x", "type SSL_DN_FIELD needs a key"),
    ("SSL_DN_FIELD", "EQUAL_TO", "1CN", "x", "not the name of a field of a distinguished name"),
    ("SSL_DN_FIELD", "REGEX", "CN", "[", "is not a regular expression"),
]


@pytest.mark.parametrize(("kind", "compare_type", "key", "value", "why"), BAD)
def test_what_cannot_be_compared_is_400_and_says_why(
    whole: World, policy: Any, kind: str, compare_type: str, key: str | None, value: str, why: str
) -> None:
    wanted = {"type": kind, "compare_type": compare_type, "key": key, "value": value}
    path, wakes = f"l7policies/{policy['id']}/rules", whole.wakes
    text = whole.create(path, 400, **wanted)
    assert text.startswith("Error parsing L7Rule: ")
    assert why in text
    # Nor does it come in by another door.
    balancer = whole.get("/loadbalancers")["loadbalancers"][0]
    listener = {"loadbalancer_id": balancer["id"], "protocol": "HTTP", "protocol_port": 81}
    nested = [{"action": "REJECT", "rules": [wanted]}]
    assert whole.create("listeners", 400, l7policies=nested, **listener) == text
    assert (whole.get(f"/{path}")["rules"], whole.wakes) == ([], wakes)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"type": None}, "type. Value: 'None'. Mandatory field missing."),
        ({"compare_type": None}, "compare_type. Value: 'None'. Mandatory field missing."),
        ({"value": None}, "value. Value: 'None'. Mandatory field missing."),
        ({"type": "URL"}, "one of HOST_NAME, PATH, FILE_TYPE"),
        ({"compare_type": "LIKE"}, "one of REGEX, STARTS_WITH"),
        ({"value": "a\nb"}, "one line of text"), ({"value": "a\rb"}, "one line of text"),
        ({"key": "a\nb"}, "one line of text"), ({"value": "x" * 256}, "one line of text of at most 255 characters"),
        ({"key": "x" * 256}, "one line of text"), ({"invert": "perhaps"}, "true or false"),
        ({"name": "x"}, "Unknown attribute for argument rule_.rule: name"),
    ],
)  # fmt: skip
def test_a_rule_of_the_wrong_form_is_400(whole: World, policy: Any, values: dict, sentence: str) -> None:
    wanted = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/x"} | values
    assert sentence in whole.create(f"l7policies/{policy['id']}/rules", 400, **wanted)
    assert whole.get(f"/l7policies/{policy['id']}/rules")["rules"] == []


def test_a_policy_has_fifty_rules_at_most(whole: World, policy: Any) -> None:
    rules = [{"type": "PATH", "compare_type": "EQUAL_TO", "value": f"/{number}"} for number in range(51)]
    wanted = {"listener_id": policy["listener_id"], "action": "REJECT"}
    assert "Too many rules on L7 policy" in whole.create("l7policies", 409, rules=rules, **wanted)
    full = whole.create("l7policies", rules=rules[:50], **wanted)
    path = f"l7policies/{full['id']}/rules"
    refusal = f"Too many rules on L7 policy {full['id']}: it can have 50."
    assert whole.create(path, 409, **rules[50]) == refusal
    whole.delete(f"/{path}/{full['rules'][0]['id']}")
    whole.rule(full)
    assert whole.create(path, 409, **rules[50]) == refusal
    whole.rule(policy)


def test_an_update_changes_what_it_names_and_is_checked_as_a_whole(whole: World, policy: Any) -> None:
    rule = whole.rule(policy, type="HEADER", key="X-A", value="a", compare_type="EQUAL_TO", invert=True, tags=["a"])
    whole.settle()
    path = f"/l7policies/{policy['id']}/rules/{rule['id']}"
    after = whole.change(path, value="b")
    assert after == rule | {
        "value": "b", "provisioning_status": "PENDING_UPDATE", "updated_at": after["updated_at"],
    }  # fmt: skip
    assert whole.get(f"/l7policies/{policy['id']}")["l7policy"]["provisioning_status"] == "PENDING_UPDATE"
    assert "key" in whole.change(path, 400, key=None)
    assert "takes no key" in whole.change(path, 400, type="SSL_VERIFY_RESULT", value="0", key="a")
    assert "in quotes" in whole.change(path, 400, value="a b")
    assert whole.change(path, compare_type="REGEX", value="a b")["value"] == "a b"
    assert "in quotes" in whole.change(path, 400, compare_type="EQUAL_TO")
    for name in ("type", "compare_type", "value"):
        assert f"{name}. Value: 'None'. Mandatory" in whole.change(path, 400, **{name: None})
    after = whole.change(path, type="PATH", invert=None, tags=["b"])
    assert (after["type"], after["key"], after["invert"], after["tags"]) == ("PATH", None, False, ["b"])
    assert "Unknown attribute for argument l7rule_.rule: l7policy_id" in whole.change(path, 400, l7policy_id=NOWHERE)


def test_a_deleted_rule_goes_and_its_policy_stays(whole: World, policy: Any) -> None:
    rule, other = whole.rule(policy, tags=["a"]), whole.rule(policy)
    whole.settle()
    path = f"/l7policies/{policy['id']}/rules"
    whole.delete(f"{path}/{rule['id']}")
    assert whole.get(f"{path}/{rule['id']}")["rule"]["provisioning_status"] == "PENDING_DELETE"
    assert whole.delete(f"{path}/{rule['id']}", 409) == f"L7Rule {rule['id']} is immutable and cannot be updated."
    assert whole.get(f"/l7policies/{policy['id']}")["l7policy"]["provisioning_status"] == "PENDING_UPDATE"
    assert whole.get(f"/listeners/{policy['listener_id']}")["listener"]["provisioning_status"] == "PENDING_UPDATE"
    whole.settle()
    assert [each["id"] for each in whole.get(path)["rules"]] == [other["id"]]


def test_a_rule_is_found_under_its_own_policy_only(whole: World, policy: Any) -> None:
    rule, other = whole.rule(policy), whole.policy({"id": policy["listener_id"]})
    for policy_id, rule_id, text in (
        (other["id"], rule["id"], f"L7Rule {rule['id']} not found."),
        (policy["id"], NOWHERE, f"L7Rule {NOWHERE} not found."),
        (policy["id"], "x", "L7Rule x not found."),
        ("x", rule["id"], "L7Policy x not found."),
    ):
        for method in ("GET", "PUT", "DELETE"):
            body = {"rule": {"value": "y"}} if method == "PUT" else None
            answer = whole.call(method, f"/l7policies/{policy_id}/rules/{rule_id}", 404, body)
            assert answer["faultstring"] == text


def test_a_list_is_that_of_one_policy_filtered_and_sorted_as_everywhere(whole: World, policy: Any) -> None:
    other = whole.policy({"id": policy["listener_id"]})
    whole.rule(other, value="/z")
    whole.rule(policy, value="/b", tags=["red"])
    whole.rule(policy, value="/a", invert=True)
    whole.rule(policy, value="/c", type="HEADER", key="X-A", admin_state_up=False)
    queries = {
        "": "bac", "sort=value:desc": "cba", "value=/a": "a", "invert=true": "a", "type=HEADER": "c", "key=X-A": "c",
        "tags=red": "b", "compare_type=STARTS_WITH&limit=2": "ba", "admin_state_up=no": "c",
        f"l7policy_id={policy['id']}": "bac", f"l7policy_id={other['id']}": "",
    }  # fmt: skip
    for query, expected in queries.items():
        rows = whole.get(f"/l7policies/{policy['id']}/rules", query_string=query)["rules"]
        assert "".join(row["value"][1:] for row in rows) == expected, query
    answer = whole.get(f"/l7policies/{policy['id']}/rules", query_string="fields=value&limit=1")
    assert (answer["rules"], [link["rel"] for link in answer["rules_links"]]) == ([{"value": "/b"}], ["next"])
    for query in ("name=x", "sort=name", "colour=x"):
        assert whole.get(f"/l7policies/{policy['id']}/rules", 400, query_string=query)["faultstring"]
