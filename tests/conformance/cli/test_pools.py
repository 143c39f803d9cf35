"""`openstack loadbalancer pool ...`, `member` and `healthmonitor`."""

from .conftest import ANY_SUBNET


def test_a_pool_is_created_shown_set_unset_and_deleted(cli, shown, refused, settled, pool):
    assert (pool["protocol"], pool["lb_algorithm"]) == ("HTTP", "ROUND_ROBIN")
    assert [each["name"] for each in shown("pool list --loadbalancer lb1")] == ["servers"]
    cli("pool set --lb-algorithm SOURCE_IP --session-persistence type=HTTP_COOKIE --enable-tls servers")
    settled("lb1")
    found = shown("pool show servers")
    assert (found["lb_algorithm"], found["tls_enabled"]) == ("SOURCE_IP", True)
    assert "HTTP_COOKIE" in str(found["session_persistence"])
    cli("pool unset --session-persistence servers")
    settled("lb1")
    assert not shown("pool show servers")["session_persistence"]
    cli("pool delete --wait servers")
    assert refused("pool show servers") == "Unable to locate servers in pools"


def test_a_member_is_created_shown_set_unset_and_deleted(cli, shown, settled, pool):
    made = shown(
        f"member create --name m1 --address 192.0.2.1 --protocol-port 80 --weight 5 --subnet-id {ANY_SUBNET} servers"
    )
    assert (made["weight"], made["subnet_id"], made["operating_status"]) == (5, ANY_SUBNET, "NO_MONITOR")
    assert [each["address"] for each in shown("member list servers")] == ["192.0.2.1"]
    cli("member set --weight 0 --monitor-port 8080 --enable-backup servers m1")
    found = shown("member show servers m1")
    assert (found["weight"], found["monitor_port"], found["backup"]) == (0, 8080, True)
    cli("member unset --weight --monitor-port --backup servers m1")
    found = shown("member show servers m1")
    assert (found["weight"], found["monitor_port"], found["backup"]) == (1, None, False)
    settled("lb1")
    cli("member delete --wait servers m1")
    assert shown("member list servers") == []


def test_a_server_is_a_member_once(shown, refused, pool):
    shown("member create --address 2001:db8::1 --protocol-port 80 servers")
    assert "2001:db8::1" in refused("member create --address 2001:db8::1 --protocol-port 80 servers")


def test_a_monitor_is_created_shown_set_unset_and_deleted(cli, shown, refused, settled, pool):
    made = shown(
        "healthmonitor create --name alive --type HTTP --delay 5 --timeout 3 --max-retries 2 --url-path /up servers"
    )
    assert (made["type"], made["url_path"], made["expected_codes"]) == ("HTTP", "/up", "200")
    assert [each["name"] for each in shown("healthmonitor list")] == ["alive"]
    cli("healthmonitor set --http-method HEAD --expected-codes 200-204 --delay 7 alive")
    settled("lb1")
    found = shown("healthmonitor show alive")
    assert (found["http_method"], found["expected_codes"], found["delay"]) == ("HEAD", "200-204", 7)
    assert found["operating_status"] == "ONLINE"
    cli("healthmonitor unset --http-method --expected-codes --url-path alive")
    found = shown("healthmonitor show alive")
    assert (found["http_method"], found["expected_codes"], found["url_path"]) == ("GET", "200", "/")
    settled("lb1")
    cli("healthmonitor delete --wait alive")
    assert refused("healthmonitor show alive") == "Unable to locate alive in healthmonitors"
