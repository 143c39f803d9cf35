"""Two amphorae that share the VIPs of one load balancer, in keepalived's words (reference, 4.6).

VRRP version 3, unicast: nobody else on the network hears of it, and nftables lets in what the other amphora says, and
nothing else. One that has the VIPs keeps them (``nopreempt``), so that an amphora that comes back disturbs nobody.

The text holds what follows from the tree; what follows from the machine (files, limits of the process) stands in a file
of the agent's own, which includes this one and says what ``haproxy`` tracks.
"""

import dataclasses

from lictor.amphora import tree
from lictor.amphora.emitter import Word, bare_address, header, keywords, line, network, number
from lictor.amphora.pair import Pair
from lictor.model import LoadBalancer
from lictor.model.statuses import Role

_PRIORITIES = {Role.MASTER: 250, Role.BACKUP: 240}
"""High, as who has 256 minus this much waits that part of a second longer for a silent one: here 2 and 6 percent."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds between advertisements, of which hundredths count: after three that were missed the other one takes over.

    ``garp_refresh_interval`` is in seconds as well: so often who has the VIPs announces them again, so many times.
    """

    advert_int: float = 0.1
    garp_refresh_interval: int = 5
    garp_refresh_count: int = 2


def render(load_balancer: LoadBalancer, pair: Pair, interface: str, timing: Timing) -> str:
    """The ``vrrp_instance``. Equal trees give equal texts.

    Advertisements name the first VIP alone: amphorae that disagreed about the others, as they do while one is being
    added, would not heed each other. VIPs have the prefix of a host: they are no addresses to speak from.
    """
    first, *others = [[network(str(vip)), *keywords(f"dev {interface}")] for vip in tree.vips(load_balancer)]
    lines = [
        header(*keywords("vrrp_instance lictor {")),
        line(keywords("state BACKUP")),
        line(keywords("nopreempt")),
        line(keywords(f"interface {interface}")),
        line(keywords("virtual_router_id 1")),
        line(keywords("priority"), number(_PRIORITIES[pair.role])),
        line(keywords(f"advert_int {round(timing.advert_int, 2):g}")),
        line(keywords("accept")),
        line(keywords("garp_master_refresh"), number(timing.garp_refresh_interval)),
        line(keywords("garp_master_refresh_repeat"), number(timing.garp_refresh_count)),
        line(keywords("unicast_src_ip"), bare_address(pair.own.address)),
        *_block("unicast_peer", [[bare_address(pair.other.address)]]),
        *_block("virtual_ipaddress", [first]),
        *(_block("virtual_ipaddress_excluded", others) if others else []),
        *_block("track_file", [keywords("haproxy")]),
        header(*keywords("}")),
    ]
    return "\n".join(lines) + "\n"


def _block(name: str, entries: list[list[Word]]) -> list[str]:
    return [line(keywords(f"{name} {{")), *(f"    {line(entry)}" for entry in entries), line(keywords("}"))]
