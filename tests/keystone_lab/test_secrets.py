"""Secrets in a real Barbican: who may use which, what is read of them, who is told, and what happens without it."""

import datetime
import logging
import os
import pathlib
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from sqlalchemy import select, update

from lictor import config, failpoints
from lictor.amphora.certificates import Wanted
from lictor.api.app import create_app
from lictor.control.upkeep import consumers
from lictor.control.upkeep.renewal import Renewal
from lictor.control.vault import Vault
from lictor.drivers.secrets import x509
from lictor.drivers.secrets.barbican import BarbicanSecrets
from lictor.drivers.secrets.base import Away, SecretError
from lictor.model import SecretConsumer, now
from lictor.wire import CERTIFICATE
from tests.lab.barbican import Barbican
from tests.lab.keystone import Keystone
from tests.unit.api.world import World
from tests.unit.certs import Identity, key_pem
from tests.unit.database import store as open_store

ROOT = Identity("root", ca=True, usage=True)
MIDDLE = Identity("middle", issuer=ROOT, ca=True)
WEB = Identity("www.example.com", issuer=MIDDLE, alternative=("www.example.com",))
NOWHERE = "http://127.0.0.1/v1/secrets/00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    with Keystone(tmp_path_factory.mktemp("keystone") / "state") as started:
        started.seed("http://127.0.0.1:9876")
        for user, project in (("alice", "alpha"), ("anna", "alpha"), ("bob", "beta")):
            started.grant(user, project, "member")
        yield started


@pytest.fixture(scope="module")
def barbican(tmp_path_factory: pytest.TempPathFactory, keystone: Keystone) -> Iterator[Barbican]:
    with Barbican(tmp_path_factory.mktemp("barbican") / "state", keystone) as started:
        yield started


@pytest.fixture(scope="module")
def alice(barbican: Barbican) -> Any:
    """Her client of Barbican."""
    return barbican.of("alice", "alpha")


class Cloud(World):
    """An API in this cloud, to which alice speaks, unless somebody else is named."""

    def __init__(self, directory: pathlib.Path, keystone: Keystone) -> None:
        self.file, account = directory / "lictor.conf", keystone.authtoken()
        self.file.write_text(account + account.replace("keystone_authtoken", "service_auth") + "timeout = 5\n")
        self.keystone = keystone
        super().__init__(directory, files=[str(self.file)], api_settings__auth_strategy="keystone")
        self.token = keystone.token("alice", "alpha")

    def _app(self, **options: Any) -> Any:
        self.keys = BarbicanSecrets(self.conf)
        return create_app(self.conf, self.store, self.networking, self.keys, self._wake, **options)

    def call(self, method: str, path: str, status: int, body: Any = None, **options: Any) -> Any:
        options.setdefault("headers", {"X-Auth-Token": self.token})
        return super().call(method, path, status, body, **options)

    def tls(self, reference: str, status: int = 201, **values: Any) -> Any:
        """A load balancer with one listener that shows this certificate; or the sentence that refuses it."""
        wanted = {"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": reference}
        return self.create("loadbalancers", status, vip_subnet_id=self.subnet.id, listeners=[wanted | values])

    def upkeep(self) -> consumers.Consumers:
        return consumers.Consumers(self.conf, self.store, self.keys)

    def notes(self) -> set[tuple[str, str, bool]]:
        with self.store.read() as session:
            return {(row.load_balancer_id, row.reference, row.registered)
                    for row in session.scalars(select(SecretConsumer))}  # fmt: skip

    def age(self, span: datetime.timedelta) -> None:
        """Have the notes be older than that."""
        past = now() - span - datetime.timedelta(seconds=1)
        values = update(SecretConsumer).values(created_at=past, updated_at=past)
        self.store.write(lambda session: session.execute(values))

    def drop(self, balancer: Any) -> None:
        """Delete a load balancer with all that is in it, and let the loop do its part."""
        self.call("DELETE", f"/loadbalancers/{balancer['id']}?cascade=true", 204)
        self.settle()
        self.gone(balancer)


@pytest.fixture
def cloud(tmp_path: pathlib.Path, keystone: Keystone, barbican: Barbican) -> Cloud:
    return Cloud(tmp_path, keystone)


def stored(whose: Any, content: bytes | str, name: str = "x") -> str:
    return str(whose.secrets.create(name, content).store())


def certificate_container(whose: Any, **parts: bytes | str) -> str:
    secrets = {name: whose.secrets.create(name, content) for name, content in parts.items()}
    return str(whose.containers.create_certificate("c", **secrets).store())


def generic_container(whose: Any, **parts: bytes | str) -> str:
    secrets = {name: whose.secrets.create(name, content) for name, content in parts.items()}
    return str(whose.containers.create("c", secrets).store())


def container_of(whose: Any, reference: str) -> str:
    """A container with a secret that is there already."""
    return str(whose.containers.create("c", {"bundle": whose.secrets.get(reference)}).store())


def readers(whose: Any, reference: str) -> tuple[set[str], bool]:
    """The users who may read something whatever their project, and whether its project may."""
    acl = whose.acls.get(reference)
    return set(acl.read.users), acl.read.project_access


def back(barbican: Barbican, cloud: Cloud) -> None:
    """Start it again, and wait until Lictor asks it again."""
    barbican.start()
    cloud.keys._quiet_until = 0.0


def refusal(function: Any, *arguments: object) -> str:
    with pytest.raises(SecretError) as refused:
        function(*arguments)
    return str(refused.value)


def test_a_pkcs12_secret_that_a_user_names_is_shared_with_lictor_and_read(cloud: Cloud, alice: Any) -> None:
    reference = stored(alice, WEB.pkcs12(MIDDLE, ROOT))
    assert "does not let Lictor read it" in refusal(cloud.keys.certificate, "alpha", reference)
    assert cloud.tls(reference)["listeners"][0]["default_tls_container_ref"] == reference
    assert readers(alice, reference) == ({cloud.keystone.ensure("user", "lictor")}, True)
    found = cloud.keys.certificate("alpha", reference)
    assert found == x509.certificate(WEB.bundle + MIDDLE.pem + ROOT.pem)


def test_sharing_takes_nothing_from_others_and_makes_nothing_private_public(cloud: Cloud, alice: Any) -> None:
    reference = stored(alice, WEB.pkcs12())
    anna = cloud.keystone.ensure("user", "anna")
    alice.acls.create(reference, users=[anna], project_access=False).submit()
    for _again in range(2):
        cloud.tls(reference)
    assert readers(alice, reference) == ({anna, cloud.keystone.ensure("user", "lictor")}, False)


@pytest.mark.parametrize("form", ["PEM", "PKCS7 as PEM", "PKCS7 as DER"])
def test_a_certificate_container_is_put_together_and_its_pass_phrase_used(cloud: Cloud, alice: Any, form: str) -> None:
    chain = [MIDDLE.certificate, ROOT.certificate]
    encoding = serialization.Encoding.DER if form.endswith("DER") else serialization.Encoding.PEM
    intermediates = MIDDLE.pem + ROOT.pem if form == "PEM" else pkcs7.serialize_certificates(chain, encoding)
    reference = certificate_container(
        alice,
        certificate=WEB.pem.decode(),
        private_key=key_pem(WEB.key, b"open sesame").decode(),
        private_key_passphrase="open sesame",
        intermediates=intermediates,
    )
    cloud.tls(reference)
    found = cloud.keys.certificate("alpha", reference)
    assert found == x509.certificate(WEB.bundle + MIDDLE.pem + ROOT.pem)


def test_authorities_and_revocation_lists_are_secrets_too(cloud: Cloud, alice: Any) -> None:
    ca, crl = stored(alice, ROOT.pem.decode()), stored(alice, ROOT.revoke(WEB).decode())
    checked = {"client_authentication": "MANDATORY", "client_ca_tls_container_ref": ca, "client_crl_container_ref": crl}
    cloud.tls(stored(alice, WEB.pkcs12()), **checked)
    assert cloud.keys.authority("alpha", ca).certificates.encode() == ROOT.pem
    assert cloud.keys.revocations("alpha", crl).lists.startswith("-----BEGIN X509 CRL")
    checked["client_crl_container_ref"] = stored(alice, Identity("root", ca=True).revoke().decode())
    assert "not signed by the CA" in cloud.tls(stored(alice, WEB.pkcs12()), 400, **checked)


def test_nobody_has_lictor_use_what_is_somebody_elses(cloud: Cloud, alice: Any, barbican: Barbican) -> None:
    reference = stored(alice, WEB.pkcs12())
    cloud.tls(reference)
    assert cloud.keys.certificate("alpha", reference)
    cloud.token = cloud.keystone.token("bob", "beta")
    assert cloud.tls(reference, 400) == (
        f"Could not retrieve certificate: ['{reference}']: Barbican does not let the caller read it, or what is in it."
    )
    with pytest.raises(Exception, match="doesn't exist"):
        container_of(barbican.of("bob", "beta"), reference)
    lictor = cloud.keystone.ensure("user", "lictor")
    mine = stored(alice, WEB.pkcs12())
    alice.acls.create(mine, users=[cloud.keystone.ensure("user", "bob")]).submit()
    told = cloud.tls(mine, 400)
    assert f"which is {lictor} (openstack acl user add --user ID REFERENCE)" in told
    alice.acls.create(mine, users=[cloud.keystone.ensure("user", "bob"), lictor]).submit()
    assert cloud.tls(mine)


def test_a_container_opens_nothing_that_its_maker_may_not_read(cloud: Cloud, alice: Any, barbican: Barbican) -> None:
    private = stored(alice, WEB.pkcs12())
    alice.acls.create(private, users=[], project_access=False).submit()
    cloud.tls(private)
    cloud.token = cloud.keystone.token("anna", "alpha")
    assert "does not let the caller read it" in cloud.tls(private, 400)
    assert "does not let the caller read it" in cloud.tls(container_of(barbican.of("anna", "alpha"), private), 400)


def test_which_barbican_is_meant_and_who_asks_it_are_options(
    cloud: Cloud, alice: Any, barbican: Barbican, caplog: pytest.LogCaptureFixture
) -> None:
    reference, file = stored(alice, WEB.pkcs12()), cloud.file
    cloud.tls(reference)
    for options in (
        {"endpoint": barbican.url},
        {"endpoint": f"{barbican.url}/v1/"},
        {"region_name": "RegionOne", "service_name": "barbican", "endpoint_type": "internal"},
    ):
        conf = config.load([str(file)], **{f"certificates__{name}": value for name, value in options.items()})
        assert BarbicanSecrets(conf).certificate("alpha", reference).names == ("www.example.com",)
    with pytest.raises(Away):
        BarbicanSecrets(config.load([str(file)], certificates__region_name="Elsewhere")).certificate("alpha", reference)
    assert "key-manager service in Elsewhere region not found" in caplog.text
    file.write_text(file.read_text().replace("password = lab", "password = wrong"))
    with pytest.raises(Away):
        BarbicanSecrets(config.load([str(file)])).certificate("alpha", reference)
    assert "Unauthorized" in caplog.text


def test_whoever_has_no_token_of_keystone_is_told_so(cloud: Cloud, alice: Any) -> None:
    reference = stored(alice, WEB.pkcs12())
    assert "only be used with a token of Keystone" in refusal(cloud.keys.share, None, reference)


def test_what_is_no_certificate_is_refused_with_the_reason(cloud: Cloud, alice: Any) -> None:
    empty = str(alice.secrets.create("later").store())
    locked = certificate_container(alice, certificate=WEB.pem.decode(), private_key=key_pem(WEB.key, b"x").decode())
    wrong = certificate_container(
        alice, certificate=WEB.pem.decode(), private_key=key_pem(WEB.key, b"x").decode(), private_key_passphrase="y"
    )
    other = generic_container(alice, certificate=WEB.pem.decode(), something=WEB.pem.decode())
    chain = certificate_container(
        alice, certificate=WEB.pem.decode(), private_key=key_pem(WEB.key).decode(), intermediates="none"
    )
    said = {
        NOWHERE: "it is not in Barbican",
        NOWHERE.replace("secrets", "containers"): "it is not in Barbican",
        "www": "it is not the URL of a secret or a container",
        f"{NOWHERE}/payload": "it is not the URL of a secret or a container",
        stored(alice, b"\1\2\3"): "neither PEM nor a readable PKCS12",
        stored(alice, WEB.pkcs12(passphrase=b"x")): "without a pass phrase",
        stored(alice, "hello"): "neither PEM nor a readable PKCS12",
        empty: "it has no payload",
        locked: "there is no private_key_passphrase",
        wrong: "private_key_passphrase does not open",
        other: "the container holds certificate, something; for a certificate it must hold",
        chain: "its intermediates are neither",
    }
    for reference, words in said.items():
        assert words in cloud.tls(reference, 400), reference
    assert cloud.get("/loadbalancers")["loadbalancers"] == []


def test_without_barbican_the_api_says_try_again_and_amphorae_keep_what_they_have(
    cloud: Cloud, alice: Any, barbican: Barbican
) -> None:
    reference, late = stored(alice, WEB.pkcs12()), stored(alice, WEB.pkcs12())
    container = certificate_container(alice, certificate=WEB.pem.decode(), private_key=key_pem(WEB.key).decode())
    for each in (reference, late, container):
        cloud.tls(each)
    version = cloud.keys.version("alpha", container)
    vault, faults = Vault(cloud.keys), []
    wanted = Wanted("x.pem", CERTIFICATE, reference, "listener 7")
    before = vault.file("alpha", wanted, faults)
    assert before.content.startswith("-----BEGIN CERTIFICATE") and not faults
    barbican.stop()
    try:
        assert cloud.tls(reference, 503) == (
            f"Could not retrieve certificate: ['{reference}']: Barbican cannot be asked at the moment."
        )
        assert vault.file("alpha", wanted, faults) == before and not faults
        kept = vault.file("alpha", Wanted("y.pem", CERTIFICATE, late, "listener 8"), faults)
        assert kept.kept and "listener 8 cannot be used: Barbican cannot be asked at the moment." in faults[0]
        assert cloud.keys.version("alpha", container) == version, "what cannot change is not asked for"
        with pytest.raises(Away):
            BarbicanSecrets(cloud.conf).version("alpha", container)
    finally:
        back(barbican, cloud)
    assert vault.file("alpha", Wanted("y.pem", CERTIFICATE, late, "listener 8"), []).content == before.content
    assert cloud.tls(reference)


def test_a_certificate_is_renewed_by_what_is_put_into_its_container(cloud: Cloud, alice: Any) -> None:
    lictor = cloud.keystone.ensure("user", "lictor")
    reference = generic_container(alice, bundle=WEB.pkcs12())
    cloud.tls(reference)
    vault, faults = Vault(cloud.keys), []
    wanted = Wanted("x.pem", CERTIFICATE, reference, "listener 7")
    before, version = vault.file("alpha", wanted, faults), vault.version("alpha", reference)
    assert vault.version("alpha", reference) == version

    old = alice.containers.get(reference).secrets["bundle"].secret_ref
    replace(alice, reference, "bundle", old, None)
    assert vault.file("alpha", wanted, faults) == before and "the container holds nothing" in faults.pop()
    new = stored(alice, Identity("www.example.com").pkcs12())
    replace(alice, reference, "bundle", None, new)
    assert vault.file("alpha", wanted, faults) == before and "does not let Lictor read it" in faults.pop()
    alice.acls.create(new, users=[lictor]).submit()
    assert vault.file("alpha", wanted, faults) != before and not faults
    assert vault.version("alpha", reference) != version


def replace(whose: Any, container: str, name: str, old: str | None, new: str | None) -> None:
    """What ``openstack secret container`` has no command for; Barbican's API has (POST and DELETE of its secrets)."""
    path = f"containers/{container.rsplit('/', 1)[-1]}/secrets"
    if old:
        whose.client.delete(path, json={"name": name, "secret_ref": old})
    if new:
        whose.client.post(path, json={"name": name, "secret_ref": new})


def users_of(whose: Any, reference: str) -> list[str]:
    if "/containers/" in reference:
        return [each["URL"].rsplit("/", 1)[-1] for each in whose.containers.get(reference).consumers]
    return [each.resource_id for each in whose.secrets.list_consumers(reference)]


def test_barbican_knows_which_load_balancers_use_a_secret_for_as_long_as_they_do(cloud: Cloud, alice: Any) -> None:
    secret = stored(alice, WEB.pkcs12())
    container = certificate_container(alice, certificate=WEB.pem.decode(), private_key=key_pem(WEB.key).decode())
    one, two = cloud.tls(secret, sni_container_refs=[container]), cloud.tls(secret)
    for _again in range(2):
        cloud.upkeep().turn()
        assert sorted(users_of(alice, secret)) == sorted([one["id"], two["id"]])
        assert users_of(alice, container) == [one["id"]]
    with pytest.raises(Exception, match="has consumers"):
        alice.secrets.delete(secret)
    cloud.drop(one)
    cloud.upkeep().turn()
    assert (users_of(alice, secret), users_of(alice, container)) == ([two["id"]], [])
    cloud.drop(two)
    alice.secrets.delete(secret, force=True)
    cloud.upkeep().turn()
    assert cloud.notes() == set()


def test_a_secret_that_is_used_no_more_can_be_deleted_at_once(cloud: Cloud, alice: Any) -> None:
    first, second = (stored(alice, WEB.pkcs12()) for _ in range(2))
    balancer = cloud.tls(first, sni_container_refs=[second])
    cloud.upkeep().turn()
    listener = cloud.get(f"/loadbalancers/{balancer['id']}")["loadbalancer"]["listeners"][0]["id"]

    def release() -> tuple[list[str], list[str]]:
        consumers.release(cloud.store, cloud.keys, balancer["id"])
        return users_of(alice, first), users_of(alice, second)

    assert release() == ([balancer["id"]], [balancer["id"]])
    cloud.call("PUT", f"/listeners/{listener}", 200, {"listener": {"sni_container_refs": []}})
    assert release() == ([balancer["id"]], [])
    cloud.settle()
    cloud.call("DELETE", f"/loadbalancers/{balancer['id']}?cascade=true", 204)
    assert release() == ([], [])
    assert cloud.notes() == set()
    for each in (first, second):
        alice.secrets.delete(each)


def dying(cloud: Cloud, place: str) -> None:
    """One turn of upkeep in a process that is killed there."""
    child = os.fork()
    if child == 0:
        failpoints._ARMED = place
        keys, own = BarbicanSecrets(cloud.conf), open_store(config.state_dir(cloud.conf))
        consumers.Consumers(cloud.conf, own, keys).turn()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("kind", ["secret", "container"])
def test_whoever_dies_while_telling_of_a_use_leaves_nothing_behind(cloud: Cloud, alice: Any, kind: str) -> None:
    parts = {"certificate": WEB.pem.decode(), "private_key": key_pem(WEB.key).decode()}
    reference = stored(alice, WEB.pkcs12()) if kind == "secret" else certificate_container(alice, **parts)
    balancer, (noted, registered, unregistered) = cloud.tls(reference), consumers.BETWEEN
    dying(cloud, noted)
    dying(cloud, registered)
    assert users_of(alice, reference) == [balancer["id"]]
    cloud.upkeep().turn()
    assert users_of(alice, reference) == [balancer["id"]]
    assert cloud.notes() == {(balancer["id"], reference, True)}
    cloud.drop(balancer)
    dying(cloud, unregistered)
    cloud.age(consumers.UNDER_WAY)
    cloud.upkeep().turn()
    assert users_of(alice, reference) == []
    assert cloud.notes() == set()


def test_a_use_that_ended_before_anybody_was_told_of_it_is_taken_back_in_the_end(cloud: Cloud, alice: Any) -> None:
    reference = stored(alice, WEB.pkcs12())
    balancer = cloud.tls(reference)
    dying(cloud, "consumer registered")
    cloud.drop(balancer)
    cloud.upkeep().turn()
    assert cloud.notes() == {(balancer["id"], reference, False)}
    cloud.age(consumers.UNDER_WAY)
    cloud.upkeep().turn()
    assert (users_of(alice, reference), cloud.notes()) == ([], set())


def test_a_use_that_begins_again_while_it_is_taken_back_is_told_again(cloud: Cloud, alice: Any) -> None:
    reference, other = stored(alice, WEB.pkcs12()), stored(alice, WEB.pkcs12())
    balancer = cloud.tls(reference)
    cloud.upkeep().turn()
    listener = f"/listeners/{balancer['listeners'][0]['id']}"
    cloud.change(listener, default_tls_container_ref=other)
    dying(cloud, "consumer unregistered")
    cloud.change(listener, default_tls_container_ref=reference)
    assert users_of(alice, reference) == []
    cloud.upkeep().turn()
    assert users_of(alice, reference) == [balancer["id"]]


def test_what_a_stranger_takes_back_is_told_again_in_the_end(cloud: Cloud, alice: Any, barbican: Barbican) -> None:
    reference = stored(alice, WEB.pkcs12())
    balancer = cloud.tls(reference)
    cloud.upkeep().turn()
    barbican.of("lictor", "service").secrets.remove_consumer(reference, "load-balancer", "loadbalancer", balancer["id"])
    cloud.upkeep().turn()
    assert users_of(alice, reference) == [], "nobody looks each time"
    cloud.age(consumers.AGAIN)
    cloud.upkeep().turn()
    assert users_of(alice, reference) == [balancer["id"]]


def withdraw(alice: Any, *references: str) -> None:
    """Nobody but her project may read these any more."""
    for each in references:
        alice.acls.create(each, users=[], project_access=True).submit()


@pytest.mark.parametrize("kind", ["secret", "container"])
def test_an_owner_who_withdraws_the_right_keeps_the_consumer_and_lictor_gives_up_after_a_day(
    cloud: Cloud, alice: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    parts = {"certificate": WEB.pem.decode(), "private_key": key_pem(WEB.key).decode()}
    reference = stored(alice, WEB.pkcs12()) if kind == "secret" else certificate_container(alice, **parts)
    balancer = cloud.tls(reference)
    upkeep = cloud.upkeep()
    upkeep.turn()
    cloud.age(consumers.GIVE_UP)  # that it was told long ago does not make it an old failure
    withdraw(alice, reference)
    cloud.drop(balancer)
    for _again in range(3):
        upkeep.turn()
    assert caplog.text.count("cannot be told of its user: Barbican does not let Lictor read it") == 1
    assert cloud.notes() == {(balancer["id"], reference, False)}
    cloud.age(consumers.GIVE_UP)
    upkeep.turn()
    assert f"goes on counting load balancer {balancer['id']} among its consumers" in caplog.text
    assert (users_of(alice, reference), cloud.notes()) == ([balancer["id"]], set())


def test_an_owner_who_gives_the_right_back_in_time_has_no_consumer_left(cloud: Cloud, alice: Any) -> None:
    reference = stored(alice, WEB.pkcs12())
    balancer = cloud.tls(reference)
    cloud.upkeep().turn()
    withdraw(alice, reference)
    cloud.drop(balancer)
    cloud.upkeep().turn()
    assert users_of(alice, reference) == [balancer["id"]]
    alice.acls.create(reference, users=[cloud.keystone.ensure("user", "lictor")]).submit()
    cloud.age(consumers.UNDER_WAY)
    cloud.upkeep().turn()
    assert (users_of(alice, reference), cloud.notes()) == ([], set())


def test_lictors_account_cannot_take_itself_from_those_who_may_read_and_the_owner_can(
    cloud: Cloud, alice: Any, barbican: Barbican
) -> None:
    reference, lictor = stored(alice, WEB.pkcs12()), cloud.keystone.ensure("user", "lictor")
    cloud.drop(cloud.tls(reference))
    own = barbican.of("lictor", "service")
    for change in (own.acls.create(reference, users=[]).submit, lambda: own.acls.get(reference)):
        with pytest.raises(Exception, match="Forbidden"):
            change()
    assert readers(alice, reference) == ({lictor}, True)
    withdraw(alice, reference)
    assert "does not let Lictor read it" in refusal(cloud.keys.certificate, "alpha", reference)
    assert cloud.tls(reference), "naming it again shares it again"


def test_without_barbican_nothing_looks_renewed_and_uses_are_told_later(
    cloud: Cloud, alice: Any, barbican: Barbican
) -> None:
    reference = generic_container(alice, bundle=WEB.pkcs12())
    balancer = cloud.tls(reference)
    woken: list[int] = []
    renewal = Renewal(cloud.conf, cloud.store, Vault(cloud.keys), lambda: woken.append(1))
    renewal.turn()
    assert woken.pop()
    barbican.stop()
    try:
        renewal.turn()
        cloud.upkeep().turn()
        assert cloud.notes() == {(balancer["id"], reference, False)}
    finally:
        back(barbican, cloud)
    renewal.turn()
    assert not woken
    cloud.upkeep().turn()
    assert users_of(alice, reference) == [balancer["id"]]
    old = alice.containers.get(reference).secrets["bundle"].secret_ref
    replace(alice, reference, "bundle", old, None)
    renewal.turn()
    assert woken


def test_private_keys_are_not_logged_however_much_is(
    cloud: Cloud, alice: Any, caplog: pytest.LogCaptureFixture
) -> None:
    parts = {"certificate": WEB.pem.decode(), "private_key": key_pem(WEB.key).decode()}
    reference = certificate_container(alice, **parts)
    caplog.set_level(logging.DEBUG)
    for name in ("keystoneauth", "barbicanclient", "urllib3", "lictor"):
        caplog.set_level(logging.DEBUG, name)
    cloud.tls(reference)
    caplog.clear()
    assert cloud.keys.certificate("alpha", reference)
    cloud.keys.share(cloud.token, reference)
    assert caplog.records
    secret = key_pem(WEB.key).decode().splitlines()[1]
    assert not any(secret in record.getMessage() or cloud.token in record.getMessage() for record in caplog.records)
