"""The master secret, and what follows from it."""

import multiprocessing
import pathlib

import pytest
from cryptography.hazmat.primitives import hashes, hmac

from lictor.amphora.keep import Unusable, keep
from lictor.amphora.keys import heartbeat_key, open_secret
from lictor.model import new_id


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    mac = hmac.HMAC(key, hashes.SHA256())
    mac.update(data)
    return mac.finalize()


def test_the_secret_stays_the_same_and_only_its_owner_reads_it(tmp_path: pathlib.Path) -> None:
    secret = open_secret(tmp_path / "state")
    assert open_secret(tmp_path / "state") == secret
    assert len(secret) == 32
    assert (tmp_path / "state" / "secret").stat().st_mode & 0o777 == 0o600


def test_two_deployments_have_different_secrets(tmp_path: pathlib.Path) -> None:
    assert open_secret(tmp_path / "a") != open_secret(tmp_path / "b")


def test_a_secret_of_the_wrong_length_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    (tmp_path / "secret").chmod(0o600)
    with pytest.raises(Unusable, match=f"{tmp_path}/secret is 5 bytes long"):
        open_secret(tmp_path)


def test_a_secret_that_others_may_read_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    open_secret(tmp_path)
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(Unusable, match=f"{tmp_path}/secret holds a secret, but others .*chmod 600"):
        open_secret(tmp_path)


def test_a_directory_in_the_secrets_place_is_refused_by_name(tmp_path: pathlib.Path) -> None:
    (tmp_path / "secret").mkdir()
    with pytest.raises(Unusable, match=f"{tmp_path}/secret cannot be read or made"):
        open_secret(tmp_path)


def test_what_a_dead_process_left_half_written_is_never_used(tmp_path: pathlib.Path) -> None:
    def die() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep(tmp_path / "secret", die)
    (tmp_path / ".secret.xyz").write_bytes(b"half")
    assert len(open_secret(tmp_path)) == 32


@pytest.mark.timeout(60)
def test_of_processes_that_make_the_secret_at_once_all_get_the_same(tmp_path: pathlib.Path) -> None:
    context = multiprocessing.get_context("fork")
    start, answers = context.Event(), context.SimpleQueue()

    def run() -> None:
        start.wait()
        answers.put(open_secret(tmp_path))

    processes = [context.Process(target=run) for _ in range(6)]
    for process in processes:
        process.start()
    start.set()
    got = {answers.get() for _ in processes}
    for process in processes:
        process.join()
    assert len(got) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_the_heartbeat_key_is_hkdf_sha256_of_the_secret() -> None:
    amphora_id, secret = new_id(), bytes(range(32))
    extracted = hmac_sha256(bytes(32), secret)  # RFC 5869, 2.2: no salt is as many zeros as the hash is long
    expanded = hmac_sha256(extracted, b"lictor heartbeat v1 " + amphora_id.encode() + b"\x01")  # 2.3
    assert heartbeat_key(secret, amphora_id) == expanded


def test_each_amphora_has_a_key_of_its_own() -> None:
    secret = bytes(32)
    assert len({heartbeat_key(secret, new_id()) for _ in range(20)}) == 20
