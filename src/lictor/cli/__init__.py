"""`lictor`: what an operator types. Users type the stock `openstack loadbalancer` instead."""
