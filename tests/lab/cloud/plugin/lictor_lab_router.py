"""Loaded by Neutron: its own router plugin, with floating IPs that this host's nftables carry, as the L3 agent's would.

The host is every network's router (``lictor_lab_hypervisor``), and the router to the network ``public``.
"""

import subprocess

from neutron.services.l3_router import l3_router_plugin

PUBLIC = "172.31.250.1/24"
"""The address of this host on the network ``public``."""

_LINK = f"""
link add lictor-public type bridge
addr add {PUBLIC} dev lictor-public
link set lictor-public up
"""

# Connections from here, and those of machines.
_TABLE = """
table ip lictor_lab {
  map floating { type ipv4_addr : ipv4_addr; }
  chain here {
    type nat hook output priority -100;
    dnat to ip daddr map @floating
  }
  chain there {
    type nat hook prerouting priority -100;
    dnat to ip daddr map @floating
  }
}
"""


# Of the same name: by its name Neutron finds out that lists can be sorted by the database.
class L3RouterPlugin(l3_router_plugin.L3RouterPlugin):
    """Neutron's, with floating IPs that work at once."""

    def __init__(self):
        super().__init__()
        _run("ip", "-batch", "-", text=_LINK)
        _run("nft", "-f", "-", text=_TABLE)

    def create_floatingip(self, context, floatingip):
        """Make it, and carry it if it has a port."""
        return _carry(super().create_floatingip(context, floatingip))

    def update_floatingip(self, context, id, floatingip):
        """Change it."""
        _drop(self.get_floatingip(context, id))
        return _carry(super().update_floatingip(context, id, floatingip))

    def delete_floatingip(self, context, id):
        """Remove it."""
        _drop(self.get_floatingip(context, id))
        super().delete_floatingip(context, id)


def _carry(floating):
    if floating["fixed_ip_address"]:
        pair = f"{floating['floating_ip_address']} : {floating['fixed_ip_address']}"
        _run("nft", f"add element ip lictor_lab floating {{ {pair} }}")
    return floating


def _drop(floating):
    # It may have none, or have lost it with its port.
    address = floating["floating_ip_address"]
    subprocess.run(["nft", f"delete element ip lictor_lab floating {{ {address} }}"], capture_output=True, check=False)


def _run(*command, text=""):
    subprocess.run(command, input=text, text=True, check=True)
