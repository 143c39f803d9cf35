"""`lictor config check`: what an operator is told of each line of an octavia.conf, and never told of a secret."""

import pathlib
import re

import pytest

from lictor import config
from lictor.cli import checking, octavia, options
from lictor.cli.main import main
from lictor.config.opts import OPTIONS

SECRETS = """[DEFAULT]
transport_url = rabbit://user:hunter2@bus
[database]
connection = mysql://user:hunter2$x@db
[keystone_authtoken]
auth_type = password
password = hunter2
passwrod = hunter2
[certificates]
ca_private_key_passphrase = hunter2
server_certs_key_passphrase = hunter2
[task_flow]
persistence_connection = mysql://user:hunter2@db
jobboard_backend_password = hunter2
[hunter]
password = hunter2
[oslo_messaging_kafka]
ssl_client_key_password = a$hunter2
"""


AS_DEPLOYED = """[DEFAULT]
log_dir = /var/log/octavia
transport_url = rabbit://openstack:hunter2@192.0.2.1:5672//
host = controller-1
[api_settings]
bind_host = 192.0.2.1
auth_strategy = keystone
api_v2_enabled = true
[certificates]
ca_private_key_passphrase = hunter2
ca_private_key = /etc/octavia/certs/server_ca.key.pem
ca_certificate = /etc/octavia/certs/server_ca.cert.pem
server_certs_key_passphrase = hunter2hunter2hunter2hunter2hunt
region_name = RegionOne
[haproxy_amphora]
server_ca = /etc/octavia/certs/server_ca.cert.pem
client_cert = /etc/octavia/certs/client.cert-and-key.pem
[database]
connection = mysql+pymysql://octavia:hunter2@192.0.2.1/octavia
connection_recycle_time = 10
max_pool_size = 1
[service_auth]
auth_url = http://192.0.2.1:5000
auth_type = password
username = octavia
password = hunter2
project_domain_name = Default
memcached_servers = 192.0.2.1:11211
[keystone_authtoken]
service_type = load-balancer
www_authenticate_uri = http://192.0.2.1:5000
auth_url = http://192.0.2.1:5000
auth_type = password
project_domain_id = default
username = octavia
password = hunter2
memcache_security_strategy = ENCRYPT
memcache_secret_key = hunter2
[health_manager]
bind_port = 5555
heartbeat_key = hunter2hunter2hunter2hunter2hunter2
controller_ip_port_list = 192.0.2.1:5555
[controller_worker]
amp_boot_network_list = 5b2b0a3c-0000-4000-8000-000000000001
amp_active_retries = 100
client_ca = /etc/octavia/certs/client_ca.cert.pem
[oslo_messaging]
topic = octavia_prov
[oslo_messaging_notifications]
driver = noop
[oslo_messaging_rabbit]
heartbeat_rate = 2
rabbit_quorum_queue = true
[oslo_policy]
enforce_scope = true
[oslo_middleware]
enable_proxy_headers_parsing = true
[task_flow]
persistence_connection = mysql+pymysql://octavia:hunter2@192.0.2.1/octavia_persistence
jobboard_enabled = true
[nova]
enable_anti_affinity = true
region_name = RegionOne
[neutron]
region_name = RegionOne
valid_interfaces = internal
[glance]
endpoint_type = internal
"""


@pytest.fixture
def told(tmp_path, capsys):
    """Checks a text; returns the exit status and the lines of the answer, without the file's name."""

    def check(text, *more):
        path = tmp_path / "octavia.conf"
        path.write_text(text)
        status = main(["config", "check", str(path), *map(str, more)])
        printed = capsys.readouterr()
        assert printed.err == ""
        return status, printed.out.replace(f"{path}:", "").splitlines()

    return check


def test_a_file_of_which_all_is_used_is_good(told):
    status, lines = told("# Octavia's\n[api_settings]\nbind_port = 9876\n\n[quotas]\ndefault_pool_quota=3\n")
    assert lines == [
        "3: [api_settings] bind_port: used",
        "6: [quotas] default_pool_quota: used",
        "2 used, 0 renamed, 0 no meaning here, 0 wrong, 0 unknown",
    ]
    assert status == 0


def test_every_kind_of_line_is_told_with_its_number_and_what_to_do(told):
    status, lines = told(
        "[controller_worker]\namp_boot_network_list = a,\n  b,\n  c\nworkers = none\nworker = 3\n"
        "compute_driver = compute_noop_driver\nloadbalancer_topology = TRIPLE\n[task_flow]\nengine = parallel\n"
        "[haproxy_amphora]\nconnection_max_retries = 3\n[Api_settings]\ntls_cipher_blacklist = RC4-MD5\n"
    )
    assert status == 1
    assert [line.split(": ")[:3] for line in lines if ": [" in line] == [
        ["2", "[controller_worker] amp_boot_network_list", "used"],
        ["5", "[controller_worker] workers", "wrong"],
        ["6", "[controller_worker] worker", "unknown"],
        ["7", "[controller_worker] compute_driver", "wrong"],
        ["8", "[controller_worker] loadbalancer_topology", "wrong"],
        ["10", "[task_flow] engine", "no meaning here"],
        ["12", "[haproxy_amphora] connection_max_retries", "renamed"],
        ["14", "[Api_settings] tls_cipher_blacklist", "renamed"],
    ]
    assert lines[-1] == "1 used, 2 renamed, 1 no meaning here, 3 wrong, 1 unknown"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[controller_worker]\nworker = 3", "2: [controller_worker] worker: unknown: Is it workers?"),
        ("[task_flaw]\nengine = x", "2: [task_flaw] engine: unknown: Is the section [task_flow]?"),
        ("[quotas]\nbind_ip = x", "2: [quotas] bind_ip: unknown: It is one of [health_manager]."),
        ("[x]\ny = z", "2: [x] y: unknown: Neither Lictor nor Octavia has one like it."),
        (
            "[api_settings]\nbind_port = banana",
            "2: [api_settings] bind_port: wrong: invalid literal for int() with base 10: 'banana'. "
            "It is to be: TCP port of the API. Default: 9876.",
        ),
        (
            "[health_manager]\ncontroller_ip_port_list = 192.0.2.1:5555, controller2:5555",
            "2: [health_manager] controller_ip_port_list: wrong: 'controller2' does not appear to be an IPv4 or IPv6 "
            "address. It is to be: Where agents send heartbeats; default: this host.",
        ),
        (
            "[controller_worker]\nnetwork_driver = network_noop_driver",
            "2: [controller_worker] network_driver: wrong: Lictor has no driver 'network_noop_driver': "
            "write network_driver = noop.",
        ),
        (
            "[controller_worker]\ncompute_driver = magic",
            "2: [controller_worker] compute_driver: wrong: Lictor has no driver 'magic': there are netns, noop.",
        ),
        (
            "[keystone_authtoken]\nauth_type = magic",
            "2: [keystone_authtoken] auth_type: wrong: keystoneauth has no 'magic': the usual one is password.",
        ),
        (
            "[oslo_middleware]\nmax_request_body_size = 5000000",
            "2: [oslo_middleware] max_request_body_size: renamed: It is read; write [api_settings] "
            "max_request_body_size.",
        ),
        (
            "[quotas]\ndefault_pool_quota = x\ndefault_pool_quota = 3",
            "2: [quotas] default_pool_quota: no meaning here: Line 3 says it again, and counts.",
        ),
    ],
)
def test_what_is_told_of_a_line(told, text, line):
    # Drivers of later releases may be among those that there are.
    assert line.replace("netns, noop.", "") in "\n".join(told(text)[1])


def test_old_names_that_are_told_as_read_are_read(tmp_path):
    file = tmp_path / "octavia.conf"
    file.write_text(
        "[api_settings]\ntls_cipher_blacklist = RC4-MD5\n[oslo_middleware]\nmax_request_body_size = 5000000\n"
        "[DEFAULT]\nsql_connection = sqlite:///old.db\n"
    )
    conf = config.load([str(file)])
    assert conf.api_settings.tls_cipher_prohibit_list == "RC4-MD5"
    assert conf.api_settings.max_request_body_size == 5000000
    assert conf.database.connection == "sqlite:///old.db"


def test_the_options_of_the_account_follow_from_its_type_and_section(told):
    account = "auth_url = http://keystone\nusername = x\npassword = y\nuser_domain_name = Default\n"
    for text in (
        f"[keystone_authtoken]\nauth_type = password\n{account}",
        f"[keystone_authtoken]\nauth_section = mine\n[mine]\nauth_type = v3password\n{account}",
    ):
        assert told(text)[0] == 0
    status, lines = told("[keystone_authtoken]\nauth_type = v3token\nusername = x\n")
    assert (status, lines[1]) == (1, "3: [keystone_authtoken] username: unknown: " + lines[1].rpartition(": ")[2])


def test_the_defaults_are_told_that_an_octavia_conf_counts_on(told):
    octavias, lictors = "[task_flow]\nengine = parallel\n", "[api_settings]\nbind_port = 1\n"
    sentence = "[api_settings] auth_strategy is not set: Octavia then takes keystone, and Lictor http_basic."
    assert sentence in told(octavias)[1]
    assert sentence not in told(octavias + "[api_settings]\nauth_strategy = keystone\n")[1]
    assert sentence not in told(lictors)[1]


def test_an_octavia_conf_as_deployment_tools_write_it_has_nothing_unknown_or_wrong(told):
    status, lines = told(AS_DEPLOYED)
    assert (status, [line for line in lines if "unknown:" in line or "wrong:" in line]) == (0, [])
    assert len([line for line in lines if "hunter2" in line]) == 0
    assert lines[-1].endswith("0 wrong, 0 unknown") and int(lines[-1].split()[0]) > 20


def test_no_secret_is_printed(told):
    status, lines = told(SECRETS)
    assert status == 1
    assert [line for line in lines if "hunter2" in line] == []
    assert lines[1].startswith("4: [database] connection: wrong: It cannot be read")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[api_settings]\nbind_port 9876 hunter2\n", ":2: No ':' or '=' found"),
        (b"bind_port = 9876\n", ":1: an option before the first section"),
        (b"[x\n", ":1: Invalid section"),
        (b"[x]\na = \xff\n", "no text in UTF-8"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path, capsys, text, words):
    path = tmp_path / "octavia.conf"
    if text is not None:
        path.write_bytes(text)
    assert main(["config", "check", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith(f"lictor: {path}") and words in printed.err and "hunter2" not in printed.err


def test_several_files_are_told_of_one_after_the_other_and_counted_together(told, tmp_path):
    (tmp_path / "more.conf").write_text("[api_settings]\nbind_prot = 1\n")
    status, lines = told("[api_settings]\nbind_port = 1\n", tmp_path / "more.conf")
    assert status == 1 and len(lines) == 3
    assert lines[-1] == "1 used, 0 renamed, 0 no meaning here, 0 wrong, 1 unknown"


def test_the_environment_does_not_count(told, monkeypatch):
    monkeypatch.setenv("OS_API_SETTINGS__BIND_PORT", "9876")
    assert told("[api_settings]\nbind_port = banana\n")[0] == 1


def test_without_oslo_messaging_what_is_for_it_is_told_to_need_it(told, monkeypatch):
    monkeypatch.setattr(options, "LIBRARIES", [name for name in options.LIBRARIES if name != "oslo.messaging"])
    status, lines = told("[DEFAULT]\nrpc_response_timeout = 60\n[oslo_messaging_rabbit]\nanything = x\n")
    assert status == 0
    assert [line.endswith("(pip install 'lictor[messaging]'), and it is not.") for line in lines[:2]] == [True, True]


def test_what_octavia_and_lictor_have_by_one_name_is_used():
    known = checking.Known(checking.ours())
    assert {key for key in octavia.shared() if known.find(key) is None} == set()


def test_no_option_of_lictors_is_told_to_have_no_meaning_and_each_fate_is_one_sentence():
    ours = {(group, option.dest) for group, found in OPTIONS.items() for option in found}
    known = checking.Known(checking.ours())
    assert {key for key in ours if known.find(key) is None} == set()
    assert octavia.shared().isdisjoint(octavia.fates())
    assert {fate.why for fate in octavia.fates().values() if not fate.to and not re.search(r"[.)]$", fate.why)} == set()


def test_every_option_of_the_sample_of_lictors_own_is_used(told):
    lines = [
        f"[{group}]\n{option.dest} = {','.join(option.default) if isinstance(option.default, list) else option.default}"
        for group, found in OPTIONS.items()
        for option in found
        if option.default not in (None, []) and not isinstance(option.default, dict)
    ]
    status, told_of = told("\n".join(line.replace("$", "$$") for line in lines) + "\n")
    assert (status, told_of[-1]) == (0, f"{len(lines)} used, 0 renamed, 0 no meaning here, 0 wrong, 0 unknown")


def test_the_facts_about_octavia_are_installed_with_lictor():
    text = (pathlib.Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert '"lictor.cli" = ["*.toml"]' in text
