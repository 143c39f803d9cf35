"""What a load balancer is: tables, the tree, statuses, and the rules that hold between objects.

Imports nothing else of Lictor and does no I/O but the database's.
"""

from lictor.model.admin import AvailabilityZone, AvailabilityZoneProfile, Flavor, FlavorProfile, Quota
from lictor.model.amphora import Amphora, AmphoraHealth, AmphoraMemberPort, ListenerStatistics
from lictor.model.base import Base, new_id, now
from lictor.model.consumer import SecretConsumer
from lictor.model.event import Event
from lictor.model.l7 import L7Policy, L7Rule
from lictor.model.listener import Listener
from lictor.model.loadbalancer import AdditionalVip, GivenPort, LoadBalancer
from lictor.model.localport import LocalPort
from lictor.model.pool import HealthMonitor, Member, Pool
from lictor.model.replacement import Replacement, ReplacementBudget
from lictor.model.resource import Child, Resource
from lictor.model.roll import Roll
from lictor.model.tag import Tag

CHILDREN: tuple[type[Child], ...] = (L7Rule, L7Policy, Member, HealthMonitor, Listener, Pool)
"""Every kind of object below a load balancer; children before their parents, as foreign keys ask when rows go."""

__all__ = [
    "CHILDREN", "AdditionalVip", "Amphora", "AmphoraHealth", "AmphoraMemberPort", "AvailabilityZone",
    "AvailabilityZoneProfile", "Base", "Child", "Event", "Flavor", "FlavorProfile", "GivenPort", "HealthMonitor",
    "L7Policy", "L7Rule", "Listener", "ListenerStatistics", "LoadBalancer", "LocalPort", "Member", "Pool", "Quota",
    "Replacement", "ReplacementBudget", "Resource", "Roll", "SecretConsumer", "Tag", "new_id", "now",
]  # fmt: skip
