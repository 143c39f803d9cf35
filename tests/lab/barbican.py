"""A real Barbican on loopback, beside a real Keystone: secrets of users, and what users do with them."""

import base64
import os
import pathlib
import subprocess

from barbicanclient import client
from keystoneauth1.identity import V3Password
from keystoneauth1.session import Session

from tests.lab.keystone import PASSWORD, PYTHON, ROOT, free_port

CONF = """
[DEFAULT]
host_href = {url}
db_auto_create = True
log_file = {directory}/barbican.log
[database]
connection = sqlite:///{directory}/barbican.db
[secretstore]
enabled_secretstore_plugins = store_crypto
[crypto]
enabled_crypto_plugins = simple_crypto
[simple_crypto_plugin]
kek = {kek}
[queue]
enable = False
{authtoken}
"""


class Barbican:
    """One directory; what is in it is kept if it is started again there."""

    def __init__(self, directory, keystone):
        self.directory = pathlib.Path(directory)
        self.keystone = keystone
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = None

    def __enter__(self):
        self.directory.mkdir(exist_ok=True)
        kek = base64.b64encode(os.urandom(32)).decode()
        conf = CONF.format(url=self.url, directory=self.directory, kek=kek, authtoken=self.keystone.authtoken())
        (self.directory / "barbican.conf").write_text(conf)
        self.keystone.offer("barbican", "key-manager", self.url)
        return self.start()

    def __exit__(self, *error):
        self.stop()

    def start(self):
        log = self.directory / "server.log"
        with log.open("a") as file:
            self._process = subprocess.Popen(
                [PYTHON, "-P", ROOT / "tests/lab/barbican_server.py", str(self.port)],
                env={**os.environ, "HOME": str(self.directory), "PYTHONWARNINGS": "ignore"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        if self._process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"Barbican did not start: {log.read_text()[-2000:]}")
        return self

    def stop(self):
        self._process.kill()
        self._process.wait(10)
        self._process.stdout.close()

    def of(self, user, project):
        """barbicanclient of a user."""
        domains = {"user_domain_id": "default", "project_domain_id": "default"}
        account = V3Password(self.keystone.url, username=user, password=PASSWORD, project_name=project, **domains)
        return client.Client(session=Session(account))
