"""Rendering the desired state of one amphora, and telling its agent."""

import time

from sqlalchemy import select

from lictor import config
from lictor.amphora import certificates
from lictor.amphora.client import AgentAbsent, AgentRefused, AgentUnreachable
from lictor.amphora.keys import heartbeat_key
from lictor.amphora.state import Settings, desired_state
from lictor.control import boot, logs, pairing, plugging
from lictor.control.provision import amphora_port
from lictor.control.task import Task
from lictor.drivers.secrets.base import SecretError
from lictor.model import Amphora, AmphoraHealth
from lictor.model.statuses import AmphoraStatus
from lictor.wire import DesiredState, File, Report

BOOT_POLL = 0.01
"""Seconds between attempts to reach an agent that is starting."""

SILENT_PATIENCE = 1.0
"""Seconds for a connection to an agent whose heartbeats are missed: it answers at once, or is replaced."""


def render(task: Task, amphora: Amphora) -> DesiredState:
    """All that an amphora should be. Raises ``NetworkError``, and what the renderers do."""
    wiring = plugging.wiring(task, amphora, amphora_port(task, amphora))
    settings = _settings(task, amphora)
    pair = pairing.pair(task, amphora)
    return desired_state(task.load_balancer, amphora, wiring, settings, task.claim.epoch, _secrets(task), pair)


def _secrets(task: Task) -> list[File]:
    project_id, vault = task.load_balancer.project_id, task.tools.vault
    return [vault.file(project_id, wanted, task.faults) for wanted in certificates.wanted(task.load_balancer)]


def _settings(task: Task, amphora: Amphora) -> Settings:
    conf = task.tools.conf
    return Settings(
        heartbeat_addresses=tuple(config.heartbeat_targets(conf)),
        heartbeat_key=heartbeat_key(task.tools.secret, amphora.id).hex(),
        heartbeat_interval=conf.health_manager.heartbeat_interval,
        default_connection_limit=conf.haproxy_amphora.default_connection_limit,
        log_format=conf.haproxy_amphora.user_log_format,
        vrrp=pairing.timing(conf),
        logs=logs.wanted(conf),
    )


def sent(task: Task, amphora: Amphora, state: DesiredState) -> Report:
    """Deliver. Raises ``SecretError`` where an amphora cannot keep what nobody else has."""
    try:
        return _send(task, amphora, state)
    except AgentRefused as refusal:
        if any(file.kept for file in state.files):
            raise SecretError(" ".join(task.faults)) from refusal
        raise


def _send(task: Task, amphora: Amphora, state: DesiredState) -> Report:
    """Deliver. Raises ``boot.StillBooting`` for an agent that may take longer to answer for the first time."""
    age = boot.seconds(task, amphora) if amphora.status == AmphoraStatus.BOOTING else None
    if age is not None:
        return _awaited(task, amphora, state, age)
    hurry = _is_silent(task, amphora)
    agents = task.tools.agents.hurried(SILENT_PATIENCE) if hurry else task.tools.agents
    return agents.deliver(str(amphora.lb_network_ip), state)


def _awaited(task: Task, amphora: Amphora, state: DesiredState, age: float) -> Report:
    """Wait for an agent that starts as quickly as in a namespace; whoever takes longer is not waited for here."""
    began = time.monotonic()
    agents = task.tools.agents.knocking(boot.AT_ONCE if age < boot.AT_ONCE else boot.LATER)
    while True:
        try:
            return agents.deliver(str(amphora.lb_network_ip), state)
        except AgentUnreachable as error:
            passed = time.monotonic() - began
            if isinstance(error, AgentAbsent) and age + passed >= boot.AT_ONCE:
                raise boot.judged(task, amphora, age + passed, error) from error
            if passed >= boot.AT_ONCE:
                raise
        task.claim.check()
        time.sleep(BOOT_POLL)


def _is_silent(task: Task, amphora: Amphora) -> bool:
    with task.tools.store.look() as connection:
        since = select(AmphoraHealth.silent_since_ms).where(AmphoraHealth.amphora_id == amphora.id)
        return bool(connection.execute(since).scalar())
