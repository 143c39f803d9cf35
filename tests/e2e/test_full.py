"""No address left, and no room left on the disk."""

import contextlib
import pathlib
import subprocess

import pytest

from tests.lab.deployment import Deployment, Refused, eventually, http_get, world

CONFIG = """
[local_network]
cidr = 198.18.0.0/28
"""

OTHER_RANGES = """
[local_network]
cidr = 198.18.4.0/22
management_cidr = 198.19.16.0/20
"""


def test_an_exhausted_range_refuses_what_does_not_fit_and_serves_what_does(deployment):
    made = []
    with pytest.raises(Refused) as refused:
        for number in range(20):
            made.append(deployment.call("POST", "/loadbalancers", {"loadbalancer": bare(deployment, number)}))
    assert refused.value.status == 409
    assert "198.18.0.0/28" in refused.value.body["faultstring"]
    # Eleven addresses are five load balancers: each takes one for its VIP and one for its amphora.
    assert len(deployment.call("GET", "/loadbalancers")) == len(made) == 5
    assert len(deployment.request("GET", "/v2.0/ports")[1]["ports"]) == 10
    for each in made:
        deployment.wait_active(each["id"], 60)
    for each in made:
        deployment.call("DELETE", f"/loadbalancers/{each['id']}?cascade=true")
    for each in made:
        deployment.wait_gone(f"/loadbalancers/{each['id']}")


def bare(deployment, number):
    return {"name": f"lb-{number}", "vip_subnet_id": deployment.subnet()}


@pytest.fixture
def small_disk(tmp_path, deployment):
    """A second deployment, on a file system of 48 MiB; the first one makes way."""
    deployment.stop()
    before = world()
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=700", "tmpfs", str(disk)], check=True)
    second = Deployment(disk / "state", OTHER_RANGES)
    try:
        yield second.start()
    finally:
        if second.process.poll() is None:
            second.stop()
        second.down("--purge")
        subprocess.run(["umount", "-l", str(disk)], check=True)
        assert world() == before
        deployment.start()


def test_a_disk_that_fills_up_loses_nothing_and_heals_when_there_is_room(small_disk):
    deployment = small_disk
    lb = deployment.create([])
    deployment.wait_active(lb["id"])
    filler = pathlib.Path(deployment.state_dir).parent / "filler"
    fill(filler)
    acknowledged, refused = [], None
    for number in range(400):
        try:
            body = {"name": f"n{number}", "description": "x" * 200}
            deployment.call("PUT", f"/loadbalancers/{lb['id']}", {"loadbalancer": body})
            acknowledged.append(f"n{number}")
        except Refused as error:
            refused = error
            break
    assert refused is not None, "the disk never was full"
    assert refused.status == 503 and refused.body["faultstring"]
    seen = deployment.call("GET", f"/loadbalancers/{lb['id']}")["name"]
    assert seen == (acknowledged[-1] if acknowledged else "lb"), "the last acknowledged write, and no other"
    filler.unlink()

    def written():
        deployment.call("PUT", f"/loadbalancers/{lb['id']}", {"loadbalancer": {"name": "healed"}})
        return True

    eventually(written, 30, "writes are taken again")
    deployment.wait_active(lb["id"])
    assert http_get(lb["vip_address"])[0] == 503, "haproxy answers, though it has no member"


def fill(path):
    # Without a buffer, whose rest would fail once more when the file is closed.
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
