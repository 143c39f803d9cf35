"""Many at once: load balancers made in parallel, and writes below one of them."""

import concurrent.futures
import re

from tests.e2e.balancer import listener, pool
from tests.lab.deployment import eventually, who_answers, world

COUNT = 50


def test_fifty_load_balancers_made_in_parallel_all_serve_and_leave_nothing(deployment, web):
    before = world()

    def create(number):
        return deployment.create(web.addresses[:2], name=f"lb-{number}")

    with concurrent.futures.ThreadPoolExecutor(10) as pool_of_clients:
        made = list(pool_of_clients.map(create, range(COUNT)))
        assert len({each["vip_address"] for each in made}) == COUNT

        def serves(each):
            deployment.wait_active(each["id"], 120)
            return eventually(lambda: who_answers(each["vip_address"], requests=4) == ["web1", "web2"], 60)

        assert all(pool_of_clients.map(serves, made))

        def delete(each):
            deployment.call("DELETE", f"/loadbalancers/{each['id']}?cascade=true")
            deployment.wait_gone(f"/loadbalancers/{each['id']}", 120)

        list(pool_of_clients.map(delete, made))
    eventually(lambda: world() == before, 10, "nothing is left of them")
    assert deployment.request("GET", "/v2.0/ports")[1]["ports"] == []


def test_writes_while_pending_are_all_accepted_and_applied_in_fewer_deliveries(deployment, balancer, web):
    lb = balancer(listener(pool(web.addresses[:1])))
    place = f"/pools/{lb.ids('pools')[0]}/members"
    applied = len(applications(deployment, lb))

    def add(number):
        body = {"address": f"198.18.3.{number + 1}", "protocol_port": 8000, "weight": 0, "name": f"n{number}"}
        return deployment.call("POST", place, {"member": body})["provisioning_status"]

    with concurrent.futures.ThreadPoolExecutor(15) as clients:
        answers = list(clients.map(add, range(30)))
    assert set(answers) == {"PENDING_CREATE"}
    lb.wait_active()
    assert len(deployment.call("GET", place)) == 31
    assert {each["provisioning_status"] for each in deployment.call("GET", place)} == {"ACTIVE"}
    deliveries = len(applications(deployment, lb)) - applied
    assert 1 <= deliveries < 30, f"{deliveries} deliveries for 30 writes"
    assert set(lb.answers()) == {"web1"}


def applications(deployment, lb):
    """What the log says of generations that were applied."""
    return re.findall(rf"Load balancer {lb.id}: generation \d+ applied", deployment.log.read_text())
