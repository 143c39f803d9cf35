"""Where the logs of amphorae go, by the operator's options."""

from oslo_config import cfg

from lictor import wire


def wanted(conf: cfg.ConfigOpts) -> wire.Logs:
    """Logs of connections only if they are on and have somewhere to go: an amphora has no place to keep them."""
    agent = conf.amphora_agent
    logged = conf.haproxy_amphora.connection_logging
    return wire.Logs(
        flow=_target(conf, agent.tenant_log_targets, agent.user_log_facility) if logged else None,
        administrative=_target(conf, agent.admin_log_targets, agent.administrative_log_facility),
        local=not agent.disable_local_log_storage,
    )


def _target(conf: cfg.ConfigOpts, addresses: list[str] | None, facility: int) -> wire.LogTarget | None:
    if not addresses:
        return None
    agent = conf.amphora_agent
    return wire.LogTarget(
        addresses=list(addresses),
        protocol=agent.log_protocol,
        facility=facility,
        retry_count=agent.log_retry_count,
        retry_interval=float(agent.log_retry_interval),
        queue_size=agent.log_queue_size,
    )
