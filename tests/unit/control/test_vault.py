"""What is delivered of a secret when it can be read, and when it cannot; and how a renewed one is noticed."""

import pathlib

import pytest
from sqlalchemy import select, update

from lictor import config
from lictor.amphora.certificates import Wanted
from lictor.control.upkeep.renewal import Renewal
from lictor.control.vault import Vault
from lictor.drivers.secrets.files import FileSecrets
from lictor.model import Listener, LoadBalancer, Pool
from lictor.wire import AUTHORITY, CERTIFICATE, File
from tests.unit.certs import Identity, key_pem

from .conftest import add_load_balancer

ROOT = Identity("root", ca=True)
MIDDLE = Identity("middle", ca=True, issuer=ROOT)
WANTED = Wanted("x.pem", CERTIFICATE, "www", "listener 7")


@pytest.fixture
def place(tmp_path) -> pathlib.Path:
    (tmp_path / "secrets").mkdir()
    return tmp_path / "secrets"


@pytest.fixture
def vault(conf, place) -> Vault:
    return Vault(FileSecrets(conf))


def test_a_certificate_is_delivered_with_its_chain_and_its_key(vault, place) -> None:
    own = Identity("www", issuer=MIDDLE)
    (place / "www.pem").write_bytes(key_pem(own.key) + ROOT.pem + MIDDLE.pem + own.pem)
    file = vault.file("p", WANTED, [])
    assert (file.name, file.kind) == ("x.pem", CERTIFICATE)
    assert file.content.encode() == own.pem + MIDDLE.pem + ROOT.pem + key_pem(own.key)


def test_a_secret_that_was_never_read_is_to_be_kept_and_a_fault_names_it_and_its_user(vault) -> None:
    faults: list[str] = []
    assert vault.file("p", WANTED, faults) == File(name="x.pem", kind=CERTIFICATE, content="", kept=True)
    assert faults == ["Secret 'www' of listener 7 cannot be used: there is no secret of this name for the project."]


def test_a_certificate_that_has_run_out_is_delivered_all_the_same(vault, place) -> None:
    own = Identity("www", days=-1)
    (place / "www.pem").write_bytes(own.bundle)
    faults: list[str] = []
    assert vault.file("p", WANTED, faults).content.encode() == own.bundle
    assert faults == []


def test_what_was_read_before_stands_in_for_what_cannot_be_read_now(vault, place) -> None:
    (place / "www.pem").write_bytes(Identity("www").bundle)
    before, faults = vault.file("p", WANTED, []), []
    (place / "www.pem").write_bytes(b"-----BEGIN nonsense")
    assert vault.file("p", WANTED, faults) == before
    assert len(faults) == 1
    assert "PRIVATE" not in faults[0]
    assert vault.file("q", WANTED, []).kept, "another project's reading does not help"


def test_what_nobody_uses_any_more_is_forgotten(vault, place, look) -> None:
    (place / "unused.pem").write_bytes(Identity("unused").bundle)
    unused = Wanted("y.pem", CERTIFICATE, "unused", "listener 8")
    for wanted in (WANTED, unused):
        vault.file("p", wanted, [])
    look()
    for name in ("www", "unused"):
        (place / f"{name}.pem").unlink()
    assert vault.file("p", WANTED, []).content
    assert vault.file("p", unused, []).kept


# --- renewal


def observed(store) -> list[int]:
    with store.read() as session:
        query = select(LoadBalancer.observed_generation).order_by(LoadBalancer.id)
        return list(session.scalars(query))


@pytest.fixture
def look(store, conf, vault, place):
    """Looks once, and says which load balancers were asked: the first's listener uses TLS, and the second's pool."""
    for lb in ("lb1", "lb2", "lb3"):
        add_load_balancer(store, lb)
    (place / "www.pem").write_bytes(Identity("www").bundle)
    (place / "ca.pem").write_bytes(ROOT.pem)
    tls = {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "www"}
    store.write(lambda s: s.execute(update(Listener).where(Listener.id == "lb1-listener").values(tls)))
    pool = {"tls_enabled": True, "ca_tls_container_ref": "ca"}
    store.write(lambda s: s.execute(update(Pool).where(Pool.id == "lb2-pool").values(pool)))
    woken = []
    renewal = Renewal(conf, store, vault, lambda: woken.append(1))

    def once() -> list[int]:
        store.write(lambda s: s.execute(update(LoadBalancer).values(observed_generation=1)))
        woken.clear()
        renewal.turn()
        found = [number for number, generation in enumerate(observed(store), 1) if generation == 0]
        assert bool(woken) == bool(found)
        return found

    return once


def test_a_renewed_secret_is_delivered_to_those_who_use_it_and_no_others(look, place) -> None:
    assert look() == [1, 2], "what was delivered before this process began is not known"
    assert look() == []
    (place / "www.pem").write_bytes(Identity("www").bundle)
    assert look() == [1]
    (place / "ca.pem").write_bytes(Identity("other root", ca=True).pem)
    assert look() == [2]
    assert look() == []


def test_a_secret_that_vanishes_and_comes_back_is_looked_at_both_times(look, place) -> None:
    look()
    content = (place / "www.pem").read_bytes()
    (place / "www.pem").unlink()
    assert (look(), look()) == ([1], [])
    (place / "www.pem").write_bytes(content)
    assert (look(), look()) == ([1], [])


def test_the_same_content_written_again_is_no_renewal(look, place) -> None:
    look()
    (place / "ca.pem").write_bytes((place / "ca.pem").read_bytes())
    assert look() == []


def test_kinds_of_secrets_are_read_as_such(vault, place) -> None:
    (place / "www.pem").write_bytes(Identity("www").bundle)
    faults: list[str] = []
    assert vault.file("p", Wanted("x.ca", AUTHORITY, "www", "pool 7"), faults).kept
    assert "not a CA" in faults[0]


def test_the_interval_is_an_option(tmp_path) -> None:
    assert config.load(certificates__renewal_interval=0.5).certificates.renewal_interval == 0.5
