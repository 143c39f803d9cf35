"""The compute driver ``nova``: an amphora is a server of an OpenStack cloud, in the service account's project.

``driver`` implements the seam, ``parts`` finds what a server is made from (image, server group), ``management`` makes
the port over which it is managed, ``inventory`` says what there is to make one from, ``words`` puts Nova's answers and
faults into Lictor's.
"""

from lictor.drivers.compute.nova.driver import NovaCompute

__all__ = ["NovaCompute"]
