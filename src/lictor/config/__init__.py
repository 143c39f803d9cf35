"""What the operator's files say, parsed and checked in one place; the options are in ``opts``."""

import functools
import hashlib
import ipaddress
import os
import pathlib

from oslo_config import cfg
from oslo_log import log
from oslo_policy import opts as policy_options

from lictor.config.opts import OPTIONS


class Misconfigured(ValueError):
    """Options that do not go together with the world: a sentence for the operator."""


def load(files: list[str] | None = None, **overrides: object) -> cfg.ConfigOpts:
    """Parse configuration files. ``overrides`` are ``group__option=value`` from the command line.

    Raises ``oslo_config.cfg.Error`` with a sentence that names the file, option and value.
    """
    conf = cfg.ConfigOpts()
    for group, options in OPTIONS.items():
        conf.register_opts(options, group=group)
    log.register_options(conf)
    _register_policy(conf)
    conf(args=[], project="lictor", default_config_files=files or [], default_config_dirs=[])
    for name, value in overrides.items():
        group, option = name.split("__", 1)
        conf.set_override(option, value, group=group)
    for group, options in OPTIONS.items():
        for one in options:
            getattr(conf[group], one.dest)  # a value in a file is checked no sooner than it is read
    return conf


POLICY_DEFAULTS: dict[str, object] = {"enforce_new_defaults": False}


def _register_policy(conf: cfg.ConfigOpts) -> None:
    """``[oslo_policy]``; Octavia's roles from before Keystone had its own count until the operator says no."""
    conf.register_opts(_policy_options(), group="oslo_policy")
    for name, value in POLICY_DEFAULTS.items():
        conf.set_default(name, value, group="oslo_policy")


@functools.cache
def _policy_options() -> list[cfg.Opt]:
    options = [option for _group, options in policy_options.list_opts() for option in options]
    return [*options, *policy_options_missing()]


def policy_options_missing() -> list[cfg.Opt]:
    """Options of ``[oslo_policy]`` that the installed oslo.policy has no more, and Lictor still has."""
    if "enforce_scope" in [option.dest for _group, options in policy_options.list_opts() for option in options]:
        return []
    text = "Whether tokens for a domain are refused, whatever their roles."
    return [cfg.BoolOpt("enforce_scope", default=True, help=text)]


def speaks_of(conf: cfg.ConfigOpts, *sections: str) -> bool:
    """Whether the operator's files, or the environment, have anything to say in one of these sections."""
    words = [name.removeprefix("OS_").lower().split("__") for name in os.environ if name.startswith("OS_")]
    return not {*conf.list_all_sections(), *(word[0] for word in words if len(word) == 2)}.isdisjoint(sections)


def state_dir(conf: cfg.ConfigOpts) -> pathlib.Path:
    """The state directory, as an absolute path."""
    return pathlib.Path(conf.lictor.state_dir).resolve()


def secrets_dir(conf: cfg.ConfigOpts) -> pathlib.Path:
    """Where the secrets driver ``files`` looks, as an absolute path."""
    return pathlib.Path(conf.certificates.storage_path or state_dir(conf) / "secrets").resolve()


def deployment(conf: cfg.ConfigOpts) -> str:
    """Six hexadecimal digits that tag everything one embedded deployment makes on its host.

    They follow from the state directory's path, so that what is left over can be found even if the directory is gone.
    """
    return hashlib.sha256(str(state_dir(conf)).encode()).hexdigest()[:6]


def deployment_tag(conf: cfg.ConfigOpts) -> str:
    """The tag of all that is made in a cloud."""
    return f"lictor-{conf.lictor.deployment}"


def deployment_mark(conf: cfg.ConfigOpts) -> str:
    """The description of all that is made in a cloud that can have one."""
    return f"Made by Lictor, deployment {conf.lictor.deployment}"


def heartbeat_targets(conf: cfg.ConfigOpts) -> list[str]:
    """``address:port`` of every health manager, as amphorae reach it; in the embedded deployment that is this host."""
    gateway = ipaddress.ip_network(conf.local_network.management_cidr)[1]
    host = f"[{gateway}]" if gateway.version == 6 else str(gateway)
    return list(conf.health_manager.controller_ip_port_list) or [f"{host}:{conf.health_manager.bind_port}"]


def database_url(conf: cfg.ConfigOpts) -> str:
    """The SQLAlchemy URL of the database."""
    return str(conf.database.connection or f"sqlite:///{state_dir(conf) / 'lictor.db'}")
