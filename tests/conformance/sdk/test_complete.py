"""No method of openstacksdk's proxy is left out, also not one that a later release brings."""

import inspect
import pathlib

from openstack import proxy
from openstack.load_balancer.v2._proxy import Proxy

from tests.conformance.calls import attributes_called


def test_every_method_of_the_proxy_is_called_by_a_test():
    inherited = {name for name, _ in inspect.getmembers(proxy.Proxy)}
    methods = {
        name
        for name, _ in inspect.getmembers(Proxy, inspect.isfunction)
        if not name.startswith("_") and name not in inherited
    }
    assert len(methods) >= 84
    assert methods - attributes_called(pathlib.Path(__file__).parent, "lb") == set()
