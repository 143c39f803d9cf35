"""Who may call the API of an embedded deployment: an htpasswd file, and the openrc that goes with it."""

import pathlib
import re
import secrets
import shlex

import bcrypt
from oslo_config import cfg

from lictor import config
from lictor.cli.statedir import write_private

USER = "admin"

# What a shell may still hold of another cloud, and what the clients would take before the variables that we set.
_OTHERS = (
    "OS_AUTH_URL OS_CLOUD OS_CLIENT_CONFIG_FILE OS_PROJECT_ID OS_PROJECT_NAME OS_PROJECT_DOMAIN_ID "
    "OS_PROJECT_DOMAIN_NAME OS_TENANT_ID OS_TENANT_NAME OS_TOKEN OS_USER_ID OS_USER_DOMAIN_ID OS_USER_DOMAIN_NAME "
    "OS_DOMAIN_ID OS_DOMAIN_NAME OS_SYSTEM_SCOPE OS_TRUST_ID OS_REGION_NAME OS_INTERFACE OS_ENDPOINT_TYPE OS_CACERT "
    "OS_LOAD_BALANCER_ENDPOINT_OVERRIDE OS_NETWORK_ENDPOINT_OVERRIDE OS_USERNAME OS_PASSWORD"
)

_KEYSTONES = """\
# Callers have tokens of Keystone: source the openrc that your cloud gave you.
# In its catalogue, the endpoint of the service of type load-balancer has to lead to {endpoint}
"""


def write(conf: cfg.ConfigOpts) -> pathlib.Path:
    """See that callers can prove who they are, and write the openrc; a known password stays. Returns its path."""
    path = config.state_dir(conf) / "openrc"
    if conf.api_settings.auth_strategy == "keystone":
        write_private(path, _KEYSTONES.format(endpoint=endpoint(conf)))
    else:
        write_private(path, openrc(conf, _exports(conf, path)))
    return path


def endpoint(conf: cfg.ConfigOpts) -> str:
    """The URL of the API, as a client on this host reaches it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(conf.api_settings.bind_host), str(conf.api_settings.bind_host))
    return f"http://{f'[{host}]' if ':' in host else host}:{conf.api_settings.bind_port}"


def openrc(conf: cfg.ConfigOpts, exports: dict[str, str]) -> str:
    """The text of a file for a shell to source, after which the stock clients talk with this deployment."""
    lines = [
        "# Source this, then type: openstack loadbalancer list",
        f"unset {_OTHERS}",
        f"export OS_ENDPOINT={shlex.quote(endpoint(conf))}",
        *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
    ]
    return "\n".join(lines) + "\n"


def _exports(conf: cfg.ConfigOpts, path: pathlib.Path) -> dict[str, str]:
    if conf.api_settings.auth_strategy == "noauth":
        return {"OS_AUTH_TYPE": "none"}
    if conf.api_settings.http_basic_auth_user_file:  # the operator's own users: their passwords are not ours to know
        return {"OS_AUTH_TYPE": "http_basic"}
    password = _password(config.state_dir(conf) / "htpasswd", path)
    return {"OS_AUTH_TYPE": "http_basic", "OS_USERNAME": USER, "OS_PASSWORD": password}


def _password(users: pathlib.Path, path: pathlib.Path) -> str:
    """The password in the openrc if the htpasswd file agrees, else a new one that replaces ours in both."""
    known = _known(path)
    lines = users.read_text().splitlines() if users.exists() else []
    own = [line for line in lines if line.startswith(f"{USER}:")]
    if known and own and bcrypt.checkpw(known.encode(), own[0].split(":")[1].encode()):
        return known
    password = secrets.token_urlsafe(24)
    others = [line for line in lines if line not in own]

    further = own[0].split(":")[2:] if own else []  # project and roles, if the operator wrote them
    mine = ":".join([USER, bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=10)).decode(), *further])
    write_private(users, "\n".join([mine, *others]) + "\n")
    return password


def _known(path: pathlib.Path) -> str:
    text = path.read_text() if path.exists() else ""
    found = re.search(r"^export OS_PASSWORD=(\S+)$", text, re.MULTILINE)
    return found[1] if found else ""
