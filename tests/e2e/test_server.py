"""The API's own server under bodies too large and clients that hang: others are served, and nothing changes."""

import base64
import contextlib
import http.client
import json
import pathlib
import re
import socket
import subprocess

import pytest

from tests.lab.deployment import PORT

MEBIBYTE = 2**20
PATH = "/v2.0/lbaas/loadbalancers"


def token(deployment):
    who = deployment.credentials()
    return base64.b64encode(f"{who['OS_USERNAME']}:{who['OS_PASSWORD']}".encode()).decode()


def head(deployment, *headers):
    lines = [f"POST {PATH} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Basic {token(deployment)}"]
    return "\r\n".join([*lines, "Content-Type: application/json", *headers, "", ""]).encode()


def memory(deployment):
    """The most that the process ever had in memory, in bytes."""
    text = pathlib.Path(f"/proc/{deployment.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) * 1024


def answer_of(connection):
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


@pytest.mark.parametrize("framing", ["Content-Length: 104857600", "Transfer-Encoding: chunked"])
def test_a_body_of_100_mib_is_refused_and_never_held_in_memory(deployment, framing):
    before = memory(deployment)
    with socket.create_connection(("127.0.0.1", PORT), timeout=30) as connection:
        connection.sendall(head(deployment, framing))
        # A server that has refused may stop to listen; its answer is there all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(100):
                chunk = b" " * MEBIBYTE
                connection.sendall(b"100000\r\n" + chunk + b"\r\n" if "chunked" in framing else chunk)
            connection.sendall(b"0\r\n\r\n" if "chunked" in framing else b"")
        status, body = answer_of(connection)
    assert status == 413, body
    assert "8388608" in body["faultstring"], "it says what is allowed"
    assert memory(deployment) - before < 40 * MEBIBYTE
    assert deployment.call("GET", "/loadbalancers") == []


def test_curl_is_told_so_too(deployment, tmp_path):
    body = tmp_path / "body"
    with body.open("wb") as file:
        file.truncate(100 * MEBIBYTE)
    who = f"{deployment.credentials()['OS_USERNAME']}:{deployment.credentials()['OS_PASSWORD']}"
    command = ["curl", "--silent", "--max-time", "30", "--user", who, "--data-binary", f"@{body}"]
    said = subprocess.run([*command, f"http://127.0.0.1:{PORT}{PATH}"], capture_output=True, text=True, check=True)
    assert "8388608" in json.loads(said.stdout)["faultstring"]


@pytest.mark.parametrize("length", ["-1", "banana", "1e3"])
def test_a_length_that_is_no_number_is_refused(deployment, length):
    with socket.create_connection(("127.0.0.1", PORT), timeout=10) as connection:
        connection.sendall(head(deployment, f"Content-Length: {length}") + b"{}")
        assert http_status(connection) == 400


def http_status(connection):
    return int(connection.makefile("rb").readline().split()[1])


@pytest.mark.parametrize("said", [b"", b"POST /v2.0/lb", b"whole head"])
def test_clients_that_hang_do_not_keep_others_waiting(deployment, said):
    words = head(deployment, "Content-Length: 500") + b'{"loadbalancer"' if said == b"whole head" else said
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", PORT), timeout=10))
            connection.sendall(words)
        assert deployment.call("GET", "/loadbalancers") == []


def test_a_client_that_goes_away_half_way_changes_nothing(deployment):
    body = json.dumps({"loadbalancer": {"vip_subnet_id": deployment.subnet()}}).encode()
    for cut in (1, len(body) // 2, len(body) - 1):
        with socket.create_connection(("127.0.0.1", PORT), timeout=10) as connection:
            connection.sendall(head(deployment, f"Content-Length: {len(body)}") + body[:cut])
    assert deployment.call("GET", "/loadbalancers") == []
    assert deployment.request("GET", "/v2.0/ports")[1] == {"ports": []}
    assert "Traceback" not in deployment.log.read_text()


def test_no_way_in_without_the_password(deployment):
    for header in ({}, {"Authorization": "Basic !!!"}, {"Authorization": "Bearer x"}, {"X-Auth-Token": "admin"}):
        for method, path in (("GET", PATH), ("POST", PATH), ("GET", "/v2.0/subnets"), ("GET", "/projects")):
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=10)
            with contextlib.closing(connection):
                connection.request(method, path, b"{}" if method == "POST" else None, header)
                assert connection.getresponse().status == 401, (method, path, header)
