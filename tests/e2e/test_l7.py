"""L7 policies and what else an HTTP listener does with requests, as clients of the virtual IP see it."""

import contextlib
import http.client
import json
import socket
import sqlite3
import subprocess
import time

import pytest

from tests.e2e.balancer import HTTP_MONITOR, listener, pool
from tests.lab.deployment import Refused, eventually, http_get, world
from tests.lab.l7cases import MATCHES


def policy(action, *rules, **more):
    return {"action": action, "rules": list(rules), **more}


def rule(value, kind="PATH", compare="STARTS_WITH", **more):
    return {"type": kind, "compare_type": compare, "value": value, **more}


def to_pool(name, *rules, **more):
    return policy("REDIRECT_TO_POOL", *rules, redirect_pool={"name": name}, **more)


def ask(lb, path="/", port=80, **headers):
    """Status, body and location of an answer. ``X_Name`` stands for the header ``X-Name``."""
    connection = http.client.HTTPConnection(lb.vip, port, timeout=5)
    with contextlib.closing(connection):
        connection.putrequest("GET", path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read().decode().strip(), answer.headers.get("Location", "")


def haproxies():
    """The processes of all HAProxys: a reload would bring new ones."""
    return {pid for pid, name in world()["processes"] if name == "haproxy"}


# --- rules ---


def test_each_type_of_rule_and_comparison_matches_what_it_says_and_nothing_else(balancer, web):
    policies = []
    for number, (kind, compare, key, value, _, _) in enumerate(MATCHES):
        mine = rule(str(number), "HEADER", "EQUAL_TO", key="X-Case")
        wanted = rule(value, kind, compare, **({"key": key} if key else {}))
        policies.append(policy("REDIRECT_TO_URL", wanted, mine, redirect_url=f"http://x.example/{number}"))
    lb = balancer(listener(pool(web.addresses[:1]), l7policies=policies))
    for number, (*what, yes, no) in enumerate(MATCHES):
        assert ask(lb, X_Case=str(number), **yes)[2] == f"http://x.example/{number}", (what, yes)
        assert ask(lb, X_Case=str(number), **no)[:2] == (200, "web1"), (what, no)


# --- policies ---


def test_policies_answer_or_choose_a_pool_in_octavias_order(balancer, web):
    """Rejections first, then redirections, then pools; by position among each of them."""
    names = ("blue", "green")
    lb = balancer(
        listener(
            pool(web.addresses[:1]),
            l7policies=[
                to_pool("blue", rule("/pool/blue")),
                to_pool("green", rule("/pool")),
                policy("REDIRECT_PREFIX", rule("/pool/moved"), redirect_prefix="https://a.example/x"),
                policy("REDIRECT_TO_URL", rule("/pool/moved"), redirect_url="https://never.example"),
                policy(
                    "REDIRECT_TO_URL", rule("/url"), redirect_url="https://a.example/%20?a=b", redirect_http_code=308
                ),
                policy("REJECT", rule("/pool/no"), rule("jpg", "FILE_TYPE", "EQUAL_TO", invert=True)),
            ],
        ),
        pools=[pool(web.addresses[n : n + 1], name=name) for n, name in enumerate(names, 1)],
    )
    assert ask(lb)[:2] == (200, "web1")
    assert ask(lb, "/pool/blue")[:2] == (200, "web2")
    assert ask(lb, "/pool/else")[:2] == (200, "web3")
    assert ask(lb, "/pool/moved?q=%20")[::2] == (302, "https://a.example/x/pool/moved?q=%20")
    assert ask(lb, "/url/x")[::2] == (308, "https://a.example/%20?a=b")
    assert ask(lb, "/pool/no.png")[0] == 403
    assert ask(lb, "/pool/no.jpg")[:2] == (200, "web3")


def test_a_pool_that_only_a_policy_uses_is_checked_and_counted_as_any_other(balancer, web, deployment):
    lb = balancer(
        listener(l7policies=[to_pool("shop", rule("/shop"))]),
        pools=[pool(web.addresses[:2], name="shop", healthmonitor=HTTP_MONITOR)],
    )
    assert ask(lb)[0] == 503, "no policy and no default pool"
    lb.becomes(shop="ONLINE", m1="ONLINE", m2="ONLINE", lb="ONLINE")
    web.servers[1].healthy(False)
    lb.becomes(shop="DEGRADED", m2="ERROR", lb="DEGRADED")
    assert {ask(lb, "/shop")[1] for _ in range(4)} == {"web1"}
    (policy_id,) = [each["id"] for each in deployment.call("GET", "/l7policies") if each["redirect_pool_id"]]
    assert deployment.call("GET", f"/l7policies/{policy_id}")["operating_status"] == "ONLINE"
    lb.pool(admin_state_up=False)
    assert ask(lb, "/shop")[0] == 503, "a pool that is disabled is no target"
    lb.becomes(shop="OFFLINE")


def test_policies_and_rules_that_are_disabled_or_missing_do_not_match(balancer, web, deployment):
    reject = policy("REJECT", rule("/no"), rule("k", "HEADER", "EQUAL_TO", key="X-Key"))
    lb = balancer(listener(pool(web.addresses[:1]), l7policies=[reject, policy("REJECT")]))
    (made,) = [each for each in deployment.call("GET", "/l7policies") if each["rules"]]
    place = f"/l7policies/{made['id']}"
    rules = {each["type"]: each["id"] for each in deployment.call("GET", f"{place}/rules")}

    def put(path, **values):
        deployment.call("PUT", path, {"rule" if "/rules/" in path else "l7policy": values})
        lb.wait_active()
        return ask(lb, "/no")[0], ask(lb, "/no", X_Key="k")[0]

    assert put(place, admin_state_up=False) == (200, 200)
    assert put(place, admin_state_up=True) == (200, 403)
    assert put(f"{place}/rules/{rules['HEADER']}", admin_state_up=False) == (403, 403)
    assert put(f"{place}/rules/{rules['PATH']}", admin_state_up=False) == (200, 200)


def test_plain_requests_are_redirected_to_https(balancer, web):
    redirect = policy("REDIRECT_PREFIX", rule("/"), redirect_prefix="https://www.example.com", redirect_http_code=301)
    lb = balancer(listener(l7policies=[redirect]))
    assert ask(lb, "/a?b=c")[::2] == (301, "https://www.example.com/a?b=c")


def test_the_value_of_a_rule_changes_without_a_reload(balancer, web, deployment):
    kinds = [rule("/none"), rule("^/none", compare="REGEX"), rule("^/none", compare="REGEX")]
    policies = [
        policy("REDIRECT_TO_URL", each, redirect_url=f"http://x.example/{number}") for number, each in enumerate(kinds)
    ]
    lb = balancer(listener(pool(web.addresses[:1]), l7policies=policies))
    before, wanted = haproxies(), ["/a", r"^/b\.[0-9]+;x$", "^/c'\"\\$(a|b)$"]
    kept = http.client.HTTPConnection(lb.vip, timeout=5)
    with contextlib.closing(kept):
        for made in deployment.call("GET", "/l7policies"):
            (one,) = deployment.call("GET", f"/l7policies/{made['id']}/rules")
            value = wanted[made["position"] - 1]
            deployment.call("PUT", f"/l7policies/{made['id']}/rules/{one['id']}", {"rule": {"value": value}})
            lb.wait_active()
            kept.request("GET", "/")
            assert kept.getresponse().read() == b"web1\n"
    for number, path in enumerate(["/a", "/b.12;x", "/c'\"$b"]):
        assert ask(lb, path)[2] == f"http://x.example/{number}"
    assert ask(lb, "/none")[0] == 200
    assert haproxies() == before


def test_a_reload_for_another_policy_costs_an_idle_connection_no_request(balancer, web, deployment):
    lb = balancer(listener(pool(web.addresses[:1])))
    (listener_id,) = lb.ids("listeners")
    kept = [http.client.HTTPConnection(lb.vip, timeout=5) for _ in range(20)]
    with contextlib.ExitStack() as stack:
        for connection in kept:
            stack.callback(connection.close)
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"web1\n"
        before = haproxies()
        deployment.call("POST", "/l7policies", {"l7policy": policy("REJECT", rule("/no"), listener_id=listener_id)})
        lb.wait_active()
        assert haproxies() != before
        assert ask(lb, "/no")[0] == 403
        for connection in kept:
            connection.request("GET", "/")
            answer = connection.getresponse()
            assert (answer.read(), answer.headers["Connection"]) == (b"web1\n", "close")


def test_an_expression_that_haproxy_does_not_take_is_400(balancer, web, deployment):
    lb = balancer(listener(pool(web.addresses[:1]), l7policies=[policy("REJECT", rule("/no"))]))
    (made,) = deployment.call("GET", "/l7policies")
    with pytest.raises(Refused, match="is not a regular expression: reference to non-existent subpattern"):
        deployment.call("POST", f"/l7policies/{made['id']}/rules", {"rule": rule(r"(a)\1", compare="REGEX")})
    assert lb.itself()["provisioning_status"] == "ACTIVE"


def test_an_expression_that_an_amphora_refuses_leaves_the_last_good_state(balancer, web, deployment):
    """The API of another host may have no HAProxy to ask: here it is passed by."""
    lb = balancer(listener(pool(web.addresses[:1]), l7policies=[policy("REJECT", rule("^/no$", compare="REGEX"))]))
    (made,) = deployment.call("GET", "/l7policies")
    (one,) = deployment.call("GET", f"/l7policies/{made['id']}/rules")
    place = f"/l7policies/{made['id']}/rules/{one['id']}"
    with contextlib.closing(sqlite3.connect(f"{deployment.state_dir}/lictor.db", timeout=10)) as database, database:
        database.execute("UPDATE l7rule SET value = ?", [r"^/(no)\1$"])
    deployment.call("PUT", place, {"rule": {"invert": True}})

    def refused():
        tree = deployment.call("GET", f"/loadbalancers/{lb.id}/status")["loadbalancer"]
        return tree["provisioning_status"] == "ERROR" and "non-existent subpattern" in tree["fault"]

    eventually(refused, 15, "the refusal is in the status tree")
    assert [ask(lb, path)[0] for path in ("/no", "/")] == [403, 200]
    deployment.call("PUT", place, {"rule": {"value": "^/yes$"}})
    lb.wait_active()
    assert [ask(lb, path)[0] for path in ("/no", "/", "/yes")] == [403, 403, 200]


# --- headers ---

WHITELIST = ["X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-IP", "X-Client-IP", "X-Real-IP"]


def test_members_are_told_of_the_client_and_clients_cannot_lie(balancer, web):
    lb = balancer(listener(pool(web.addresses[:1]), insert_headers=dict.fromkeys(WHITELIST, "true")))
    with socket.create_connection((lb.vip, 80), timeout=5) as connection:
        lies = "".join(f"{name}: 203.0.113.9\r\n" for name in WHITELIST)
        connection.sendall(f"GET /headers HTTP/1.1\r\nHost: a\r\n{lies}Connection: close\r\n\r\n".encode())
        said = json.loads(connection.makefile("rb").read().partition(b"\r\n\r\n")[2])
    told = {name.lower(): value for name, value in said.items()}
    me = connection_source(lb.vip)
    # Each proxy on the way adds itself to the end of this one: what stands before is what the client says.
    assert told["x-forwarded-for"] == me
    assert {name: told[name.lower()] for name in WHITELIST[1:]} == {
        "X-Forwarded-Port": "80", "X-Forwarded-Proto": "http", "X-Forwarded-IP": me, "X-Client-IP": me, "X-Real-IP": me,
    }  # fmt: skip


def connection_source(address):
    with socket.create_connection((address, 80), timeout=5) as connection:
        return connection.getsockname()[0]


# --- connections ---


def test_a_listener_at_its_connection_limit_is_degraded_and_lets_the_next_one_wait(balancer, web):
    lb = balancer(listener(pool(web.addresses[:1]), connection_limit=2))
    lb.becomes(listener_80="ONLINE", lb="ONLINE")
    held = [socket.create_connection((lb.vip, 80), timeout=5) for _ in range(2)]
    try:
        for connection in held:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        lb.becomes(listener_80="DEGRADED", lb="DEGRADED")
        with pytest.raises(TimeoutError):
            http_get(lb.vip, timeout=0.5)
    finally:
        for connection in held:
            connection.close()
    assert http_get(lb.vip)[0] == 200
    lb.becomes(listener_80="ONLINE", lb="ONLINE")


TUNNEL = """
import socketserver
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        said = b""
        while b"\\r\\n\\r\\n" not in said:
            said += self.request.recv(4096)
        if b"upgrade: websocket" in said.lower():
            lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"]
            lines.append("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")  # RFC 6455, 1.3, and so is the key
            self.request.sendall("\\r\\n".join([*lines, "", ""]).encode())
        while data := self.request.recv(4096):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
server = Server(("0.0.0.0", 8083), Handler)
print("serving", flush=True)
server.serve_forever()
"""


@pytest.fixture
def tunnels(web, tmp_path):
    """A server on port 8083 of web1 that echoes once a connection is upgraded, and else never answers."""
    script = tmp_path / "tunnels.py"
    script.write_text(TUNNEL)
    command = ["ip", "netns", "exec", web.servers[0].namespace, "python3", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"serving\n"
        yield [web.addresses[0]]
        process.kill()


def until_closed(connection):
    """What comes until the other side ends the connection, and after how many seconds that was."""
    begun = time.monotonic()
    said = b""
    while data := connection.recv(4096):
        said += data
    return said, time.monotonic() - begun


def test_a_member_that_cannot_be_reached_is_given_up_in_time(balancer, web):
    nobody = str(web.network[60])
    lb = balancer(listener(pool([nobody]), timeout_member_connect=200))
    begun = time.monotonic()
    assert http_get(lb.vip, timeout=10)[0] == 503
    # Four attempts, with a second between each and the next.
    assert time.monotonic() - begun < 5


def test_websockets_stay_though_idle_connections_and_slow_members_do_not(balancer, web, tunnels):
    limits = {"timeout_client_data": 700, "timeout_member_data": 900}
    lb = balancer(listener(pool(tunnels, port=8083), **limits))
    with contextlib.ExitStack() as stack:
        socket_, idle, waiting = (stack.enter_context(socket.create_connection((lb.vip, 80), 5)) for _ in range(3))
        head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        socket_.sendall(head + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert b" 101 " in socket_.recv(4096)
        waiting.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        said, seconds = until_closed(waiting)
        assert said.startswith(b"HTTP/1.1 504")
        assert 0.5 < seconds < 2.5
        said, _ = until_closed(idle)
        assert said == b"", "a connection that never asked ends without an answer"
        time.sleep(1)
        socket_.sendall(b"still there")
        assert socket_.recv(4096) == b"still there"
