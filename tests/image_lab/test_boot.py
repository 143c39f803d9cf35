"""`make test-image FILE=…`: an image that `lictor image build` made boots, and is an amphora.

Prints how long it took; emulation is ten times slower than a hypervisor.
"""

import pytest

from tests.image_lab import phases
from tests.image_lab.instance import DHCP, IMAGE, TOLD, Instance, needs_image, running
from tests.image_lab.machine import OVMF

pytestmark = needs_image


def its_owner_is_obeyed(instance, watch):
    """From its first answer to its first heartbeat."""
    instance.until_it_answers()
    watch.note("agent loads and answers")
    instance.deliver()
    beat = instance.heartbeat()
    watch.note("first state and heartbeat")
    assert (beat.amphora_id, beat.generation) == (instance.id, 1)


@pytest.mark.parametrize(("management", "network"), [(TOLD, {}), (None, DHCP)], ids=["address told", "address by DHCP"])
def test_an_image_boots_and_its_agent_obeys_its_owner_and_sends_heartbeats(tmp_path, management, network):
    with running(Instance(tmp_path, management, network)) as instance:
        watch = phases.Watch(instance.machine)
        its_owner_is_obeyed(instance, watch)
        assert "this is amphora" in instance.machine.said()
        for name, seconds, processor in watch.notes:
            print(f"\n{name} after {seconds:.1f} s; {processor:.1f} s of the processor", end="")


@pytest.mark.skipif(not OVMF[0].exists(), reason="needs the firmware: apt-get install ovmf")
def test_an_image_boots_by_uefi_too(tmp_path):
    with running(Instance(tmp_path), uefi=True) as instance:
        its_owner_is_obeyed(instance, phases.Watch(instance.machine))


def test_what_a_boot_spends_its_time_on(tmp_path):
    """The kernel talks, so that its parts can be told apart: a little slower than the boots above."""
    with running(Instance(tmp_path), image=phases.loud(IMAGE, tmp_path)) as instance:
        watch = phases.Watch(instance.machine)
        watch.start()
        its_owner_is_obeyed(instance, watch)
        watch.end()
        print("", *watch.table(), sep="\n")
        assert {name for name, _ in phases.MARKS} <= {name for name, *_ in watch.notes}
