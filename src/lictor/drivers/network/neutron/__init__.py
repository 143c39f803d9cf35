"""The network driver ``neutron``: VIPs and amphorae on the networks of an OpenStack cloud.

``answers`` says what there is, ``driver`` makes ports, ``protection`` says who may reach them (allowed address pairs,
security groups, QoS), ``words`` puts Neutron's answers and errors into Lictor's.
"""

from lictor.drivers.network.neutron.driver import NeutronNetwork

__all__ = ["NeutronNetwork"]
