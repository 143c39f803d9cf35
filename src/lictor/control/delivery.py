"""The step that tells every amphora what it should be, and hears what it is."""

import functools
import time

from sqlalchemy import update
from sqlalchemy.orm import Session

from lictor import config
from lictor.amphora.client import AgentUnreachable
from lictor.amphora.keys import heartbeat_key
from lictor.amphora.state import Nic, Settings, Wiring, desired_state
from lictor.control.provision import amphora_port, serving
from lictor.control.task import Task
from lictor.drivers.network.base import NetworkError, Port, Subnet
from lictor.failpoints import reach
from lictor.model import Amphora, AmphoraHealth, now
from lictor.model.clock import clock_ms
from lictor.model.statuses import AmphoraStatus
from lictor.wire import DesiredState, Report

BETWEEN = ("state delivered",)
"""Fail points between "made outside" and "written down"."""

BOOT_POLL = 0.01
"""Seconds between attempts to reach an agent that is starting."""


def deliver(task: Task) -> None:
    """Render the tree for each amphora and have its agent converge to it; then count its heartbeats as ours.

    Where nothing runs, nothing is rendered either (compute driver ``noop``).
    """
    for amphora in serving(task):
        if not task.tools.compute.has_agents:
            task.tools.store.write(functools.partial(_allocate, amphora=amphora))
            continue
        state = _render(task, amphora)
        report = _send(task, amphora, state)
        reach("state delivered")
        _record(task, amphora, report)


def _render(task: Task, amphora: Amphora) -> DesiredState:
    additional = tuple(_subnet(task, vip.subnet_id) for vip in task.load_balancer.additional_vips)
    wiring = Wiring(nics=(_nic(task, amphora_port(task, amphora)),), additional_subnets=additional)
    return desired_state(task.load_balancer, amphora, wiring, _settings(task, amphora), task.claim.epoch)


def _nic(task: Task, port: Port) -> Nic:
    network = task.tools.networking.network(port.network_id)
    if network is None:
        raise NetworkError(f"Network {port.network_id} of the amphora's port {port.id} is gone.")
    return Nic(name="eth1", port=port, subnet=_subnet(task, port.subnet_id), mtu=network.mtu)


def _subnet(task: Task, subnet_id: str) -> Subnet:
    subnet = task.tools.networking.subnet(subnet_id)
    if subnet is None:
        raise NetworkError(f"Subnet {subnet_id} is gone.")
    return subnet


def _settings(task: Task, amphora: Amphora) -> Settings:
    conf = task.tools.conf
    return Settings(
        heartbeat_addresses=tuple(config.heartbeat_targets(conf)),
        heartbeat_key=heartbeat_key(task.tools.secret, amphora.id).hex(),
        heartbeat_interval=conf.health_manager.heartbeat_interval,
        default_connection_limit=conf.haproxy_amphora.default_connection_limit,
    )


def _send(task: Task, amphora: Amphora, state: DesiredState) -> Report:
    """Deliver; an agent that is still starting gets the time it takes, one that ran before must answer at once."""
    booting = amphora.status == AmphoraStatus.BOOTING
    patience = task.tools.conf.haproxy_amphora.connection_timeout if booting else 0.0
    deadline = time.monotonic() + patience
    while True:
        try:
            return task.tools.agents.deliver(str(amphora.lb_network_ip), state)
        except AgentUnreachable:
            if time.monotonic() >= deadline:
                raise
        task.claim.check()
        time.sleep(BOOT_POLL)


def _record(task: Task, amphora: Amphora, report: Report) -> None:
    """From now on heartbeats of this boot count that are younger than the report; another digest in one is drift."""

    def transaction(session: Session) -> None:
        health = session.get(AmphoraHealth, amphora.id)
        if health is None:
            health = AmphoraHealth(amphora_id=amphora.id, sequence=0, last_update_ms=session.scalar(clock_ms()) or 0)
            session.add(health)
        if health.boot_id != report.boot_id:
            health.boot_id, health.sequence = report.boot_id, 0
        health.sequence = max(health.sequence, report.sequence)
        health.digest = report.digest
        _allocate(session, amphora)

    task.tools.store.write(transaction)


def _allocate(session: Session, amphora: Amphora) -> None:
    if amphora.status != AmphoraStatus.ALLOCATED:
        allocated = update(Amphora).where(Amphora.id == amphora.id)
        session.execute(allocated.values(status=AmphoraStatus.ALLOCATED, updated_at=now()))
