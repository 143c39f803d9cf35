"""The account with which Lictor speaks to other services of an OpenStack cloud: ``[service_auth]``, as in Octavia.

One session of keystoneauth for each section that names a service (``[certificates]``, ``[nova]``, ``[neutron]``); it
logs in when it is first used, and again when its token runs out. openstacksdk's ``Connection`` takes it too.
"""

from typing import Any

from keystoneauth1 import loading
from keystoneauth1.exceptions import ClientException
from keystoneauth1.session import Session
from oslo_config import cfg

from lictor import config

GROUP = "service_auth"

TIMEOUT = 30
"""Seconds for an answer, if the options say nothing: without, a service that hangs would hold a thread for good."""


def session(conf: cfg.ConfigOpts, section: str) -> Session:
    """A session of Lictor's account for the service that ``section`` is about. Asks nobody yet.

    ``insecure`` and ``ca_certificates_file`` of that section come before those of the account. Raises
    ``config.Misconfigured``.
    """
    _register(conf)
    try:
        account = loading.load_auth_from_conf_options(conf, GROUP)
        made: Session = loading.load_session_from_conf_options(conf, GROUP, auth=account, **_trust(conf, section))
    except (ClientException, cfg.Error) as error:
        raise config.Misconfigured(f"[{GROUP}] cannot be used: {' '.join(str(error).split())}") from None
    if account is None:
        raise config.Misconfigured(
            f"[{GROUP}] auth_type is missing: Lictor needs an account of its own in the cloud, for example "
            "auth_type = password with auth_url, username, password, project_name and the domains of both"
        )
    return made


def endpoint(conf: cfg.ConfigOpts, section: str) -> dict[str, Any]:
    """Which endpoint of its service ``section`` means, in the words of keystoneauth's ``Session.get_endpoint``."""
    options = conf[section]
    return {
        "service_name": options.service_name,
        "region_name": options.region_name,
        "interface": options.endpoint_type,
    }


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """The section and its options, with those of the usual ``auth_type``."""
    account = [*loading.get_auth_common_conf_options(), *loading.get_auth_plugin_conf_options("password")]
    return [(GROUP, [*account, *loading.get_session_conf_options()])]


def _register(conf: cfg.ConfigOpts) -> None:
    loading.register_auth_conf_options(conf, GROUP)
    loading.register_session_conf_options(conf, GROUP)
    conf.set_default("timeout", TIMEOUT, group=GROUP)


def _trust(conf: cfg.ConfigOpts, section: str) -> dict[str, Any]:
    given = {"insecure": conf[section].insecure, "cacert": conf[section].ca_certificates_file}
    return {name: value for name, value in given.items() if value}
