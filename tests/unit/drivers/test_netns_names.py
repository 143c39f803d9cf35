"""What things of a netns deployment are called, and the orders an amphora is born with: no root needed."""

import json
import pathlib
import subprocess
import uuid

import pytest

from lictor.drivers.compute.base import Boot
from lictor.drivers.compute.netns import boot, links, processes
from lictor.drivers.compute.netns.names import Names, is_id

NAMES = Names("0a1b2c")
AMPHORA, PORT = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"


def test_every_link_name_fits_the_kernels_fifteen_characters() -> None:
    for _ in range(100):
        amphora, port = str(uuid.uuid4()), str(uuid.uuid4())
        name = NAMES.link(amphora, port)
        assert len(name) == 15 and name.startswith(NAMES.amphora_prefix(amphora)) and name.isalnum()
    assert max(len(NAMES.private_bridge), len(NAMES.management_bridge)) <= 15
    assert not NAMES.private_bridge.startswith(NAMES.link_prefix)
    assert not NAMES.management_bridge.startswith(NAMES.link_prefix)


def test_names_differ_by_deployment_amphora_and_port() -> None:
    other = Names("0a1b2d")
    assert len({NAMES.link(AMPHORA, PORT), NAMES.link(PORT, AMPHORA), other.link(AMPHORA, PORT)}) == 3


def test_a_namespace_and_an_alias_lead_back_to_the_amphora() -> None:
    assert NAMES.amphora(NAMES.namespace(AMPHORA)) == AMPHORA
    assert NAMES.amphora_of_alias(NAMES.alias(AMPHORA, PORT)) == AMPHORA


@pytest.mark.parametrize(
    "name", ["", "lictor-0a1b2c-", "lictor-0a1b2c-probe", f"lictor-ffffff-{AMPHORA}", f"x-lictor-0a1b2c-{AMPHORA}"]
)
def test_other_names_lead_nowhere(name: str) -> None:
    assert NAMES.amphora(name) is None
    assert NAMES.amphora_of_alias(name) is None


def test_only_uuids_are_taken_for_amphora_ids() -> None:
    assert is_id(AMPHORA)
    assert not any(map(is_id, ("..", "", AMPHORA + "x", AMPHORA.upper().replace("1", "A"))))


def orders(tmp_path: pathlib.Path, **papers: str) -> str:
    given = {"certificate": "C", "private_key": "K", "client_ca": "A", **papers}
    address = "198.19.0.7/20"
    return boot.orders(boot.Birth(Boot(AMPHORA, "lb", **given), address, 9443, tmp_path / "it's a log"))


def test_nothing_in_a_certificate_or_path_becomes_a_command(tmp_path: pathlib.Path) -> None:
    owned = tmp_path / "owned"
    nasty = f"'; touch {owned}; echo '\n$(touch {owned})\n`touch {owned}`\n%s\n"
    script = orders(tmp_path, certificate=nasty, client_ca=nasty)
    assert subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True).stderr == ""
    writes = script[script.index("printf") : script.index("umask 022")].replace("/run/lictor/boot", str(tmp_path))
    subprocess.run(["sh", "-e"], input=writes, text=True, check=True)
    assert (tmp_path / "certificate.pem").read_text() == (tmp_path / "client_ca.pem").read_text() == nasty
    assert not owned.exists()
    config = json.loads((tmp_path / "agent.json").read_text())
    assert (config["amphora_id"], config["bind_address"], config["bind_port"]) == (AMPHORA, "198.19.0.7", 9443)
    assert config["certificate"] == f"{tmp_path}/certificate.pem"


def test_orders_that_are_cut_short_start_nothing(tmp_path: pathlib.Path) -> None:
    loop = orders(tmp_path).partition("\n{\n")[2]
    for length in range(0, len(loop) - 2, 7):
        cut = subprocess.run(["sh"], input="{\n" + loop[:length], text=True, capture_output=True, timeout=10)
        assert "booted" not in cut.stdout and cut.returncode != 0


def test_a_process_is_not_taken_for_another_with_its_pid() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        process = processes._observe(child.pid)
        assert process is not None and process.alive()
        assert not processes.Process(process.pid, process.started - 1).alive()
        processes.kill(processes.Process(process.pid, process.started - 1))
        assert child.poll() is None
        processes.kill(process)
        assert not process.alive()
        processes.kill(process)


def test_no_link_begins_with_a_tag_nobody_has() -> None:
    assert links.names("l000000") == []
