"""`openstack loadbalancer listener ...`, `l7policy` and `l7rule`."""


def test_a_listener_is_created_shown_set_unset_and_deleted(cli, shown, refused, settled, listener):
    assert (listener["protocol"], listener["protocol_port"]) == ("HTTP", 80)
    assert [each["name"] for each in shown("listener list --loadbalancer lb1")] == ["web"]
    cli(
        "listener set --name www --connection-limit 7 --allowed-cidr 192.0.2.0/24 "
        "--insert-headers X-Forwarded-For=true web"
    )
    settled("lb1")
    found = shown("listener show www")
    assert (found["connection_limit"], found["allowed_cidrs"]) == (7, ["192.0.2.0/24"])
    assert found["insert_headers"] == {"X-Forwarded-For": "true"}
    cli("listener unset --connection-limit --allowed-cidrs www")
    settled("lb1")
    found = shown("listener show www")
    assert (found["connection_limit"], found["allowed_cidrs"]) == (-1, None)
    assert shown("listener stats show www")["request_errors"] == 0
    cli("listener delete --wait www")
    assert refused("listener show www") == "Unable to locate www in listeners"


def test_a_taken_port_is_refused_with_its_number(refused, listener):
    assert "80" in refused("listener create --protocol TCP --protocol-port 80 lb1")


def test_a_listener_that_terminates_tls_has_its_settings(shown, balancer):
    found = shown(
        "listener create --name tls --protocol TERMINATED_HTTPS --protocol-port 443 --tls-version TLSv1.3 "
        "--default-tls-container-ref 8b5f0b4c-54a4-4a7d-a5ba-6a8c8e1f7f53 --alpn-protocol h2 --hsts-max-age 3600 lb1"
    )
    assert (found["tls_versions"], found["alpn_protocols"], found["hsts_max_age"]) == (["TLSv1.3"], ["h2"], 3600)


def test_a_policy_is_created_shown_set_unset_and_deleted(cli, shown, refused, settled, listener):
    made = shown("l7policy create --name moved --action REDIRECT_TO_URL --redirect-url http://x.test web")
    assert (made["position"], made["redirect_http_code"]) == (1, 302)
    cli("l7policy create --name first --action REJECT --position 1 web")
    assert {each["name"]: each["position"] for each in shown("l7policy list --listener web")} == {
        "moved": 2,
        "first": 1,
    }
    cli("l7policy set --redirect-http-code 301 --description why moved")
    found = shown("l7policy show moved")
    assert (found["redirect_http_code"], found["description"]) == (301, "why")
    cli("l7policy unset --description --redirect-http-code moved")
    found = shown("l7policy show moved")
    assert (found["redirect_http_code"], found["description"]) == (302, "")
    settled("lb1")
    cli("l7policy delete --wait first")
    assert shown("l7policy show moved")["position"] == 1
    assert refused("l7policy show first") == "Unable to locate first in l7policies"


def test_a_rule_is_created_shown_set_unset_and_deleted(cli, shown, settled, listener):
    shown("l7policy create --name closed --action REJECT web")
    made = shown("l7rule create --type PATH --compare-type STARTS_WITH --value /private closed")
    assert [each["id"] for each in shown("l7rule list closed")] == [made["id"]]
    cli(f"l7rule set --value /secret --invert closed {made['id']}")
    found = shown(f"l7rule show closed {made['id']}")
    assert (found["value"], found["invert"]) == ("/secret", True)
    cli(f"l7rule unset --invert closed {made['id']}")
    assert shown(f"l7rule show closed {made['id']}")["invert"] is False
    settled("lb1")
    cli(f"l7rule delete --wait closed {made['id']}")
    assert shown("l7rule list closed") == []


def test_a_rule_that_makes_no_sense_is_refused_with_a_reason(shown, refused, listener):
    shown("l7policy create --name closed --action REJECT web")
    assert "L7Rule" in refused("l7rule create --type FILE_TYPE --compare-type CONTAINS --value x closed")
