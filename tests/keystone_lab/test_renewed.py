"""A listener whose certificate is in a real Barbican, from the user's request to what clients are shown."""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from tests.keystone_lab.test_secrets import alice, barbican, keystone, replace, stored, users_of
from tests.lab.barbican import Barbican
from tests.lab.deployment import Deployment, eventually, processes, world
from tests.lab.keystone import Keystone
from tests.unit.certs import Identity

__all__ = ["alice", "barbican", "keystone"]

CONFIG = """
{account}
[api_settings]
auth_strategy = keystone
[certificates]
cert_manager = barbican
renewal_interval = 0.5
[house_keeping]
cleanup_interval = 0.5
"""


class Cloud(Deployment):
    """`lictor up` in a cloud, to which alice speaks."""

    token = ""

    def _proof(self) -> dict[str, str]:
        return {"X-Auth-Token": self.token}


@pytest.fixture
def cloud(tmp_path: Any, keystone: Keystone, barbican: Barbican) -> Iterator[Cloud]:
    account, before = keystone.authtoken(), world()
    account += account.replace("keystone_authtoken", "service_auth")
    deployment = Cloud(tmp_path / "state", CONFIG.format(account=account))
    deployment.token = keystone.token("alice", "alpha")
    yield deployment.start()
    deployment.down()
    deployment.down("--purge")
    assert world() == before


def shown(vip: str) -> bytes:
    """The certificate that a client is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((vip, 443), 5) as plain, context.wrap_socket(plain) as connection:
        return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"").encode()


def haproxies() -> list[int]:
    return sorted(pid for pid, name in processes() if name == "haproxy")


def test_what_clients_are_shown_is_what_is_in_the_container_and_a_renewal_needs_no_reload(
    cloud: Cloud, alice: Any, keystone: Keystone
) -> None:
    old, new = Identity("www.example.com"), Identity("www.example.com")
    first, second = stored(alice, old.pkcs12()), stored(alice, new.pkcs12())
    reference = str(alice.containers.create("www", {"bundle": alice.secrets.get(first)}).store())
    listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": reference}
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet(), "listeners": [listener]}}
    made = cloud.call("POST", "/loadbalancers", body)
    cloud.wait_active(made["id"])
    assert shown(made["vip_address"]) == old.pem
    eventually(lambda: users_of(alice, reference) == [made["id"]], what="Barbican knows who uses the container")

    running = haproxies()
    alice.acls.create(second, users=[keystone.ensure("user", "lictor")]).submit()
    replace(alice, reference, "bundle", first, None)
    replace(alice, reference, "bundle", None, second)
    eventually(lambda: shown(made["vip_address"]) == new.pem, what="the new certificate is shown")
    assert haproxies() == running
    cloud.wait_active(made["id"])

    cloud.call("DELETE", f"/loadbalancers/{made['id']}?cascade=true")
    eventually(lambda: users_of(alice, reference) == [], what="Barbican knows that nobody uses the container")


def used(cloud: Cloud, alice: Any) -> str:
    """A secret that Barbican knows to be used."""
    reference = stored(alice, Identity("www.example.com").pkcs12())
    listener = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": reference}
    body = {"loadbalancer": {"vip_subnet_id": cloud.subnet(), "listeners": [listener]}}
    made = cloud.call("POST", "/loadbalancers", body)
    eventually(lambda: users_of(alice, reference) == [made["id"]], what="Barbican knows who uses it")
    cloud.stop()
    return reference


def test_a_purge_leaves_no_consumer_behind(cloud: Cloud, alice: Any) -> None:
    reference = used(cloud, alice)
    assert "consumers of secrets" not in cloud.down("--purge", "--config-file", str(cloud.config)).stdout
    assert users_of(alice, reference) == []


def test_a_purge_goes_on_without_barbican_and_says_what_it_has_left_there(
    cloud: Cloud, alice: Any, barbican: Barbican
) -> None:
    reference = used(cloud, alice)
    barbican.stop()
    try:
        told = cloud.down("--purge", "--config-file", str(cloud.config)).stdout
    finally:
        barbican.start()
    assert "1 consumers of secrets could not be removed: Barbican cannot be asked at the moment" in told
    assert not cloud.state_dir.exists()
    assert len(users_of(alice, reference)) == 1


def test_a_purge_that_is_not_told_of_barbican_says_so(cloud: Cloud, alice: Any) -> None:
    used(cloud, alice)
    assert "names no key manager that could be told (--config-file)" in cloud.down("--purge").stdout
