"""Where tempest runs: its configuration, and the words to start it with."""

import json
import os
import pathlib
import subprocess

from lictor.drivers.providers.amphora import AVAILABILITY_ZONE, FLAVOR

ROOT = pathlib.Path(__file__).parents[3]
BIN = ROOT / ".venv-tempest/bin"

PROVIDERS = {
    "amphora": "Lictor's own: HAProxy in amphorae.",
    "octavia": "Another name of the amphora provider.",
    "noop_driver": "No data plane.",
}

POLL = 0.1
"""Seconds between two looks at something that is to become ACTIVE; here that takes some hundredths of a second."""


def configuration(directory, keystone, password, provider, rbac):
    """tempest.conf: upstream's settings for drivers that do nothing, and ours for time."""
    return f"""
[DEFAULT]
log_dir = {directory}
log_file = tempest.log
[oslo_concurrency]
lock_path = {directory}/locks
[auth]
use_dynamic_credentials = True
create_isolated_networks = False
admin_username = admin
admin_password = {password}
admin_project_name = admin
admin_domain_name = Default
[identity]
uri_v3 = {keystone}
auth_version = v3
region = RegionOne
v3_endpoint_type = public
admin_role = admin
default_domain_id = default
[identity-feature-enabled]
api_v2 = False
api_v3 = True
[service_available]
barbican = False
cinder = False
glance = False
horizon = False
neutron = False
nova = False
swift = False
load_balancer = True
[network]
project_networks_reachable = True
[validation]
run_validation = False
[load_balancer]
test_with_noop = True
provider = {provider}
expected_flavor_capability = compute_flavor:{FLAVOR["compute_flavor"].description}
expected_availability_zone_capability = compute_zone:{AVAILABILITY_ZONE["compute_zone"].description}
enabled_provider_drivers = {",".join(f"{name}:{text}" for name, text in PROVIDERS.items())}
RBAC_test_type = {rbac}
log_user_roles = False
build_interval = {POLL}
check_interval = {POLL}
lb_build_interval = {POLL}
build_timeout = 60
check_timeout = 60
lb_build_timeout = 60
availability_zone = nova
availability_zone2 = nova2
availability_zone3 = nova3
"""


# Tests of one class share what the class has made: a class stays with one process.
STESTR = """
[DEFAULT]
test_path={tests}
top_dir={tests}
group_regex=([^\\.]*\\.)*
"""


def discovery():
    """The folder from which tempest finds the tests of its plugins."""
    return next(BIN.parent.glob("lib/python3*/site-packages/tempest/test_discover"))


class Workspace:
    """One directory, as `tempest init` would make it."""

    def __init__(self, directory, config_text):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        (self.directory / "etc").mkdir()
        (self.directory / "etc/tempest.conf").write_text(config_text)
        (self.directory / ".stestr.conf").write_text(STESTR.format(tests=discovery()))
        self._environment = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(self.directory),
            "TEMPEST_CONFIG_DIR": str(self.directory / "etc"),
            "PYTHONWARNINGS": "ignore",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, tests, concurrency, but=None):
        """Run the tests that the regular expression or the list of names picks; results by name of test.

        ``but`` is a regular expression too.
        """
        command = [BIN / "stestr", "run", "--concurrency", str(concurrency)]
        if but:
            command += ["--exclude-regex", but]
        if isinstance(tests, str):
            command.append(tests)
        else:
            names = self.directory / "names"
            names.write_text("".join(f"{name}\n" for name in tests))
            command += ["--load-list", names]
        with (self.directory / "console.log").open("w") as console:
            self._call(command, stdout=console, stderr=subprocess.STDOUT)
        stream = self._call([BIN / "stestr", "last", "--subunit"], stdout=subprocess.PIPE).stdout
        reader = [BIN / "python", pathlib.Path(__file__).with_name("subunit_to_json.py")]
        return json.loads(self._call(reader, input=stream, stdout=subprocess.PIPE).stdout)

    def _call(self, command, **options):
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        return subprocess.run(command, cwd=self.directory, env=self._environment, check=False, **options)
