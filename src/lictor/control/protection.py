"""Who may reach the amphorae of a load balancer, as the network service is asked to see to it."""

from lictor.amphora import tree
from lictor.amphora.pair import PEERS_PORT
from lictor.control import plugging, vips
from lictor.control.pairing import is_pair
from lictor.control.provision import serving
from lictor.control.task import Task
from lictor.drivers.network.base import Carrier, Opening, PortGone, Protection
from lictor.model import Amphora, Listener
from lictor.model.rules import LAYER4


def protect(task: Task) -> None:
    """See that the amphorae's ports carry the VIPs, and are open to the listeners' clients alone.

    A VIP's port that somebody has deleted is made anew, at its address.
    """
    try:
        task.tools.networking.protect(_wanted(task))
    except PortGone as gone:
        vips.make_anew(task, gone)
        task.tools.networking.protect(_wanted(task))


def _wanted(task: Task) -> Protection:
    balancer = task.load_balancer
    return Protection(
        load_balancer_id=balancer.id,
        vips=tuple(str(vip) for vip in tree.vips(balancer)),
        vip_port_ids=tuple(each.port_id for each in vips.own(task)),
        carriers=tuple(_carrier(task, amphora) for amphora in serving(task)),
        openings=tuple(_opening(listener) for listener in tree.listeners(balancer)),
        security_group_ids=tuple(balancer.vip_sg_ids),
        qos_policy_id=balancer.vip_qos_policy_id or "",
        peers_port=PEERS_PORT if is_pair(task) else 0,
    )


def unprotect(task: Task) -> None:
    """Remove what was made for a load balancer as a whole, besides its ports and instances."""
    task.tools.networking.unprotect(task.load_balancer.id)
    task.tools.compute.forget(task.load_balancer.id)


def _carrier(task: Task, amphora: Amphora) -> Carrier:
    """Besides the VIPs, an amphora has one address on each further subnet of the VIP's network."""
    vips = [str(vip) for vip in tree.vips(task.load_balancer)]
    return Carrier(str(amphora.vrrp_port_id), (*vips, *plugging.addresses_beside_vip(task, amphora)))


def _opening(listener: Listener) -> Opening:
    protocol = LAYER4[listener.protocol].lower()
    return Opening(protocol, listener.protocol_port, tuple(listener.allowed_cidrs or ()))
