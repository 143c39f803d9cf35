"""What many hosts must have alike, from the operator's files."""

import pytest
from cryptography.hazmat.primitives import serialization

from lictor import config
from lictor.amphora.keep import Unusable
from lictor.amphora.keys import heartbeat_key
from lictor.amphora.ring import Ring
from lictor.cli import shared


@pytest.fixture
def given(tmp_path):
    """An authority of the operator's, as two files."""
    ring = Ring.make()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "ca.pem").write_bytes(ring.certificates[0].public_bytes(pem))
    (tmp_path / "ca.key").write_bytes(ring.keys[0].private_bytes(pem, pkcs8, serialization.NoEncryption()))
    files = {"ca_certificate": tmp_path / "ca.pem", "ca_private_key": tmp_path / "ca.key"}
    return ring, {f"certificates__{name}": str(path) for name, path in files.items()}


def conf(tmp_path, **options):
    return config.load(lictor__state_dir=str(tmp_path), **options)


def test_hosts_that_are_given_one_authority_have_the_same(tmp_path, given):
    ring, options = given
    opened = [shared.authority(conf(tmp_path, **options), tmp_path / host / "pki") for host in ("a", "b")]
    assert [each.ring.names for each in opened] == [ring.names] * 2
    assert (tmp_path / "a" / "pki" / "authority.pem").stat().st_mode & 0o777 == 0o600


def test_an_authority_that_is_in_use_is_not_replaced_by_the_one_of_the_options(tmp_path, given):
    mine = shared.authority(conf(tmp_path), tmp_path / "pki").ring.names
    assert shared.authority(conf(tmp_path, **given[1]), tmp_path / "pki").ring.names == mine


def test_half_of_an_authority_is_refused_and_nothing_is_written(tmp_path, given):
    for options in (
        {"certificates__ca_certificate": "/nowhere"},
        given[1] | {"certificates__ca_private_key": "/dev/null"},
    ):
        with pytest.raises(Unusable):
            shared.authority(conf(tmp_path, **options), tmp_path / "pki")
        assert not (tmp_path / "pki" / "authority.pem").exists()


def test_hosts_with_one_heartbeat_key_understand_each_others_amphorae(tmp_path):
    options = {"health_manager__heartbeat_key": "k" * 32}
    secrets = [shared.secret(conf(tmp_path, **options), tmp_path / host) for host in ("a", "b")]
    assert heartbeat_key(secrets[0], "amphora") == heartbeat_key(secrets[1], "amphora")
    assert shared.secret(conf(tmp_path), tmp_path / "c") != shared.secret(conf(tmp_path), tmp_path / "d")


def test_a_heartbeat_key_that_can_be_guessed_is_refused(tmp_path):
    with pytest.raises(Unusable, match="at least 32"):
        shared.secret(conf(tmp_path, health_manager__heartbeat_key="insecure"), tmp_path)
