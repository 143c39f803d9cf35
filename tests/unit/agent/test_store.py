import pytest

from lictor import wire
from lictor.agent import settings
from lictor.agent.announce import advertisement, checksum, gratuitous_arp
from lictor.agent.errors import Refused
from lictor.agent.store import Store
from lictor.agent.validate import packed, validate

ID = "00000000-0000-4000-8000-000000000001"


def state(generation=1, **fields):
    return wire.DesiredState(amphora_id=ID, loadbalancer_id=ID, generation=generation, epoch=1, **fields)


def test_the_boot_id_outlives_the_agent_but_not_the_directory(tmp_path):
    first = Store(tmp_path / "a").boot_id()
    assert Store(tmp_path / "a").boot_id() == first
    assert Store(tmp_path / "b").boot_id() != first


def test_a_state_is_switched_to_as_a_whole_and_back(tmp_path):
    store = Store(tmp_path)
    assert store.load() is None
    store.switch(store.stage(state(1, files=[wire.File(name="x.pem", content="one")])))
    before = store.place()
    after = store.stage(state(2))
    assert store.load() == state(1, files=[wire.File(name="x.pem", content="one")])
    store.switch(after)
    assert store.load() == state(2)
    assert list((store.current / "certs").iterdir()) == []
    store.switch(before)
    assert (store.current / "certs" / "x.pem").read_text() == "one"
    store.sweep()
    assert len(list((tmp_path / "states").iterdir())) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}', "\udcff"])
def test_what_cannot_be_read_is_none(tmp_path, text):
    store = Store(tmp_path)
    store.switch(store.stage(state()))
    (store.current / "state.json").write_bytes(text.encode(errors="surrogateescape"))
    assert store.load() is None


def test_keys_are_for_root_alone(tmp_path):
    place = Store(tmp_path).stage(state(files=[wire.File(name="k", content="secret")]))
    assert (place / "certs" / "k").stat().st_mode & 0o777 == 0o600
    assert place.stat().st_mode & 0o077 == 0 or place.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("text", "same"),
    [("2001:db8::1/64", "2001:DB8:0:0::1/64"), ("192.0.2.1", "192.0.2.1/32"), ("::1", "::1/128")],
)
def test_addresses_are_compared_by_value(text, same):
    assert packed(text) == packed(same) is not None


@pytest.mark.parametrize(
    "text", ["", "x", "192.0.2.1/33", "192.0.2.1/", "192.0.2.1/-1", "1.2.3", "::1/129", "::1 dev lo"]
)
def test_nonsense_is_no_address(text):
    assert packed(text) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"interfaces": [wire.Interface(name="lo", mac="fa:16:3e:00:00:01")]},
        {"interfaces": [wire.Interface(name=name, mac="fa:16:3e:00:00:01") for name in ("a", "b")]},
        {"interfaces": [wire.Interface(name="a", mac="fa:16:3e:00:00:01", routes=[wire.Route(destination="x")])]},
        {"files": [wire.File(name=".", content="")]},
        {"files": [wire.File(name="", content="")]},
        {"haproxy": wire.HAProxy(config="", servers=[wire.Server(backend="b", name="s", address="1.2.3.4", port=1)])},
        {"heartbeat": wire.HeartbeatTarget(addresses=["example.org:1"], key="00")},
        {"heartbeat": wire.HeartbeatTarget(addresses=["127.0.0.1:1"], key="zz")},
        {"heartbeat": wire.HeartbeatTarget(addresses=["127.0.0.1:1"], key="00", interval=0)},
    ],
)  # fmt: skip
def test_states_that_could_become_commands_or_paths_are_refused(fields):
    with pytest.raises(Refused):
        validate(state(**fields), ID)


def test_a_refusal_does_not_show_the_key():
    with pytest.raises(Refused) as refusal:
        validate(state(heartbeat=wire.HeartbeatTarget(addresses=[], key="hunter2")), ID)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"amphora_id": 7}', '{"amphora_id":"a","bind_address":"::","bind_port":1,"certificate":"c",'
    '"private_key":"k","client_ca":"a","directory":"relative"}'],
)  # fmt: skip
def test_a_wrong_configuration_is_told_with_the_files_name(tmp_path, text):
    file = tmp_path / "agent.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"agent\.json"):
        settings.load(str(file))


def test_announcements_have_the_shape_that_neighbours_expect():
    mac, four, six = bytes(range(6)), bytes([192, 0, 2, 1]), bytes(range(16))
    request, reply = gratuitous_arp(mac, four)
    assert len(request) == len(reply) == 42
    assert request[28:32] == request[38:42] == four
    frame = advertisement(mac, six)
    pseudo = frame[22:38] + frame[38:54] + len(frame[54:]).to_bytes(4) + (58).to_bytes(4)
    assert checksum(pseudo + frame[54:]) == 0
