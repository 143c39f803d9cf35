"""Every option that Lictor reads, for the tools of oslo.config: its own, and those of the libraries it uses.

``oslo-config-generator --namespace lictor`` prints a sample of them, ``oslo-config-validator --namespace lictor`` finds
what is none of them in an operator's file. Defaults are those that hold here.
"""

import copy
from importlib import metadata

from oslo_config import cfg

from lictor import config
from lictor.api import healthcheck, middleware
from lictor.api.auth import keystone
from lictor.config.opts import OPTIONS
from lictor.drivers import cloud

LIBRARIES = (
    "oslo.log",
    "oslo.policy",
    "keystonemiddleware.auth_token",
    "keystonemiddleware.audit",
    "oslo.middleware.cors",
    "oslo.middleware.healthcheck",
    "oslo.middleware.http_proxy_to_wsgi",
    "oslo.messaging",
)
"""Their namespaces. oslo.messaging need not be there."""

DEFAULTS: dict[str, dict[str, object]] = {
    "DEFAULT": {"control_exchange": "octavia"},
    "oslo_policy": config.POLICY_DEFAULTS,
    keystone.GROUP: keystone.DEFAULTS,
    "cors": middleware.CORS_DEFAULTS,
    "healthcheck": healthcheck.DEFAULTS,
    cloud.GROUP: {"timeout": cloud.TIMEOUT},
}
"""What Lictor sets where nobody says otherwise, and a library would do something else."""

Options = list[tuple[str, list[cfg.Opt]]]


def list_opts() -> Options:
    """Sections with their options (entry point ``oslo.config.opts``)."""
    known = {(group, option.dest) for group, options in OPTIONS.items() for option in options}
    theirs: Options = []
    for group, options in _theirs():
        kept = [copy.copy(option) for option in options if (group, option.dest) not in known]
        ours = {name: value for name, value in DEFAULTS.get(group, {}).items() if name in {o.dest for o in kept}}
        cfg.set_defaults(kept, **ours)
        theirs.append((group, kept))
    return [*OPTIONS.items(), *theirs]


def _theirs() -> Options:
    installed = {entry.name: entry for entry in metadata.entry_points(group="oslo.config.opts")}
    found = [pair for name in LIBRARIES if name in installed for pair in installed[name].load()()] + cloud.list_opts()
    # A section is a name, or an object that has one, or nothing at all.
    named = [(getattr(group, "name", group) or "DEFAULT", list(options)) for group, options in found]
    return [*named, ("oslo_policy", config.policy_options_missing())]
