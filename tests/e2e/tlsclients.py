"""Clients that speak TLS with a load balancer, and what its agent says of it."""

import http.client
import socket
import ssl
import subprocess

from lictor.amphora.client import AgentClient
from lictor.amphora.pki import Authority
from tests.e2e.tlsmembers import learnt


class Client:
    """One who trusts the authority and may have a certificate of its own."""

    session = None

    def __init__(self, papers, certificate=None, versions=(None, None), ciphers=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.load_verify_locations(cadata=papers.root.pem.decode())
        first, last = versions
        self.context.minimum_version = first or self.context.minimum_version
        self.context.maximum_version = last or self.context.maximum_version
        if ciphers:
            self.context.set_ciphers(ciphers)
        if certificate:
            self.context.load_cert_chain(certificate)

    def connect(self, vip, port=443, name=None):
        """A connection that is through with the handshake."""
        plain = socket.create_connection((vip, port), 5)
        try:
            return self.context.wrap_socket(plain, server_hostname=name, session=self.session)
        except BaseException:
            plain.close()
            raise

    def shown(self, vip, port=443, name=None):
        """The common name and serial number of the certificate that it is shown."""
        with self.connect(vip, port, name) as connection:
            found = connection.getpeercert()
            return found["subject"][0][0][1], found["serialNumber"]

    def ask(self, vip, port=443, name="www.example.com", path="/"):
        """Status, headers and what the member learnt, of a request on a connection of its own."""
        with self.connect(vip, port, name) as connection:
            return request(connection, name, path)


def request(connection, host, path="/"):
    """One request on a connection that is kept."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    body = answer.read().decode()
    return answer.status, answer.headers, learnt(body)


def session_of(client, vip):
    """The session of a connection on which something was said: with TLS 1.3 tickets come after the handshake."""
    with client.connect(vip, name="www.example.com") as connection:
        assert request(connection, "www.example.com")[0] == 200
        return connection.session


def refused(client, vip, port):
    """Whether the handshake, or what follows it in TLS 1.3, fails."""
    try:
        client.ask(vip, port)
    except (ssl.SSLError, ConnectionResetError, http.client.RemoteDisconnected):
        return True
    return False


def reloads(deployment, lb):
    """How often the load balancer's HAProxy was reloaded, as its agent says."""
    status, answer = deployment.request("GET", f"/v2.0/octavia/amphorae?loadbalancer_id={lb.id}")
    assert status == 200
    (amphora,) = answer["amphorae"]
    client = AgentClient(Authority.open(deployment.state_dir / "pki"), 9443, 5, 5)
    return client.report(amphora["lb_network_ip"], amphora["id"]).reloads


def curl(*words):
    """curl, which speaks HTTP/2; its output."""
    command = ["curl", "--silent", "--show-error", "--max-time", "10", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
