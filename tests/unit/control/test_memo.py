"""A pass of the loop asks the network service once, sees what it does itself, and leaves nothing to the next one."""

import collections

import pytest

from lictor.amphora.pki import Authority
from lictor.control.memo import Memo
from lictor.control.vault import Vault
from lictor.control.worker import Workers
from lictor.drivers.compute.noop import NoopCompute
from lictor.drivers.network.base import amphora_port
from lictor.drivers.network.local import LocalNetwork
from lictor.drivers.secrets.noop import NoopSecrets


class Counted(LocalNetwork):
    """Counts what it is asked."""

    def __init__(self, conf, store):
        super().__init__(conf, store)
        self.asked = collections.Counter()

    def network(self, network_id):
        self.asked["network"] += 1
        return super().network(network_id)

    def subnet(self, subnet_id):
        self.asked["subnet"] += 1
        return super().subnet(subnet_id)

    def port(self, port_id):
        self.asked["port"] += 1
        return super().port(port_id)


@pytest.fixture
def behind(conf, store):
    return Counted(conf, store)


@pytest.fixture
def made(behind):
    (port,) = behind.create_ports([amphora_port("a", behind.subnets()[0].id, "p")])
    return port


def test_the_same_is_asked_once_in_a_pass_and_again_in_the_next(behind, made):
    for number in (1, 2):
        memo = Memo(behind)
        for _ in range(3):
            assert memo.subnet(made.subnet_id) == behind.subnets()[0]
            assert memo.network(made.network_id) == behind.networks()[0]
            assert memo.port(made.id).ip_address == made.ip_address
        assert behind.asked == {"network": number, "subnet": number, "port": number}


def test_a_pass_sees_the_ports_that_it_makes_and_not_those_that_it_deletes(behind, made):
    memo = Memo(behind)
    assert memo.port(made.id)
    memo.delete_port(made.id)
    assert memo.port(made.id) is None
    (again,) = memo.create_ports([amphora_port("a", made.subnet_id, "p")])
    assert memo.port(again.id).ip_address == again.ip_address
    memo.delete_port(again.id)
    assert memo.port(again.id) is None
    assert behind.port(again.id) is None


def test_what_was_not_there_may_come(behind, made):
    memo = Memo(behind)
    behind.delete_port(made.id)
    assert memo.port(made.id) is None
    behind.create_ports([amphora_port("a", made.subnet_id, "p")])
    assert memo.port(made.id), "its id follows from its name"


def test_who_uses_a_port_is_not_told_as_a_pass_changes_that(behind, made):
    seen = Memo(behind).port(made.id)
    assert (seen.device_id, seen.device_owner, seen.qos_policy_id) == ("", "", "")
    assert (seen.id, seen.mac_address, seen.fixed_ips) == (made.id, made.mac_address, made.fixed_ips)


def test_each_pass_has_a_memory_of_its_own(conf, store, behind, made, tmp_path):
    parts = (NoopCompute(conf, behind), behind, Authority.open(tmp_path / "pki"), b"secret", Vault(NoopSecrets(conf)))
    workers = Workers(conf, store, *parts)
    first, second = (workers._for_one_pass().networking for _ in range(2))
    assert first.port(made.id)
    behind.delete_port(made.id)
    assert first.port(made.id)
    assert second.port(made.id) is None
