"""A real Keystone on loopback, seeded with what a cloud with a load-balancer service has."""

import json
import os
import pathlib
import socket
import subprocess
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).parents[2]
PYTHON = ROOT / ".venv-keystone/bin/python"
"""Of Keystone's own virtual environment: what it requires contradicts what the clients require."""

PASSWORD = "lab"
"""Of every user that is made here; nothing of it outlives the test, nor leaves loopback."""

ROLES = (
    "load-balancer_member",
    "load-balancer_admin",
    "load-balancer_observer",
    "load-balancer_global_observer",
    "load-balancer_quota_admin",
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Accounts:
    """What a Keystone that runs at ``url`` knows, seen by the cloud's administrator after ``sign_in``."""

    def __init__(self, url):
        self.url = url
        self._token = None
        self._ids = {}

    def sign_in(self):
        """Become the cloud's administrator."""
        self._token = self.token("admin", "admin")

    def call(self, method, path, body=None, token=None):
        """One request as the cloud's administrator; the answer's JSON."""
        headers = {"Content-Type": "application/json", "X-Auth-Token": token or self._token or ""}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def token(self, user, project):
        """A fresh token of a user who is in the domain Default, for a project."""
        domain = {"domain": {"id": "default"}}
        body = {
            "auth": {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": {"name": user, "password": PASSWORD, **domain}},
                },
                "scope": {"project": {"name": project, **domain}},
            }
        }
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/auth/tokens", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.headers["X-Subject-Token"]

    def ensure(self, kind, name, **values):
        """The id of the object of this name, made if it is missing."""
        if (kind, name) not in self._ids:
            found = self.call("GET", f"/{kind}s?name={name}")[f"{kind}s"]
            made = found[0] if found else self.call("POST", f"/{kind}s", {kind: {"name": name, **values}})[kind]
            self._ids[kind, name] = made["id"]
        return self._ids[kind, name]

    def grant(self, user, project, *roles):
        """See that there is a user with these roles on a project."""
        user_id = self.ensure("user", user, password=PASSWORD, domain_id="default")
        project_id = self.ensure("project", project, domain_id="default")
        for role in roles:
            self.call("PUT", f"/projects/{project_id}/users/{user_id}/roles/{self.ensure('role', role)}")
        return user_id

    def seed(self, endpoint):
        """Octavia's roles, the service's user, a load-balancer service at ``endpoint``, which also knows networks."""
        for role in (*ROLES, "service"):
            self.ensure("role", role)
        self.grant("lictor", "service", "admin", "service")
        self.grant("admin", "admin", "load-balancer_admin")
        for name, kind in (("octavia", "load-balancer"), ("networks", "network")):
            self.offer(name, kind, endpoint)

    def offer(self, name, kind, endpoint):
        """See that the catalogue has this service."""
        service = self.ensure("service", name, type=kind)
        for interface in ("public", "internal", "admin"):
            self._endpoint(service, interface, endpoint)

    def _endpoint(self, service, interface, url):
        there = self.call("GET", f"/endpoints?service_id={service}&interface={interface}")["endpoints"]
        values = {"service_id": service, "interface": interface, "url": url, "region_id": "RegionOne"}
        if there:
            self.call("PATCH", f"/endpoints/{there[0]['id']}", {"endpoint": values})
        else:
            self.call("POST", "/endpoints", {"endpoint": values})

    def authtoken(self):
        """The section of Lictor's configuration that names this Keystone."""
        return f"""
[keystone_authtoken]
www_authenticate_uri = {self.url}
auth_url = {self.url}
auth_type = password
username = lictor
password = {PASSWORD}
project_name = service
user_domain_name = Default
project_domain_name = Default
"""

    def environment(self, user="admin", project="admin"):
        """What a user of the stock clients has in the environment."""
        return {
            "OS_AUTH_URL": self.url,
            "OS_IDENTITY_API_VERSION": "3",
            "OS_REGION_NAME": "RegionOne",
            "OS_USERNAME": user,
            "OS_PASSWORD": PASSWORD,
            "OS_PROJECT_NAME": project,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
        }


class Keystone(Accounts):
    """One directory; what is in it is kept if it is started again there."""

    def __init__(self, directory, port=None):
        self.directory = pathlib.Path(directory)
        self.port = port or free_port()
        super().__init__(f"http://127.0.0.1:{self.port}/v3")
        self._process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *error):
        self.stop()

    def start(self):
        self.directory.mkdir(exist_ok=True)
        with (self.directory / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                # -P: this folder has a keystone.py, which must not hide the real one.
                [PYTHON, "-P", ROOT / "tests/lab/keystone_server.py", self.directory, str(self.port), PASSWORD],
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"Keystone did not start: {(self.directory / 'server.log').read_text()[-2000:]}")
        self.sign_in()
        return self

    def stop(self):
        """End it; what it knows stays in its directory."""
        self._process.kill()
        self._process.wait(10)
        self._process.stdout.close()
