"""The real Octavia, newest on PyPI, as its own guide has it: API under uWSGI, worker, RabbitMQ, MariaDB.

Its compute, network and amphora drivers are ``noop``, so that what is measured is Octavia and not a cloud.
"""

import contextlib
import pathlib
from collections.abc import Iterator, Sequence

from tests.bench.endpoint import Endpoint
from tests.bench.lictor import Deployment
from tests.bench.processes import background, eventually, run
from tests.lab.rabbitmq import rabbitmq
from tests.lab.uwsgi import uwsgi

BIN = pathlib.Path(".venv-octavia/bin").absolute()
TABLES = {
    "load_balancer": "id", "vip": "load_balancer_id", "pool": "load_balancer_id", "listener": "load_balancer_id",
    "member": "pool_id",
}  # fmt: skip
NETWORK_STATE = pathlib.Path("/tmp/octavia-network-noop.db")
"""Where Octavia's noop network driver keeps its ports; the place cannot be configured."""

QUEUE = "octavia_provisioning_v2"
CONFIG = """
[DEFAULT]
transport_url = rabbit://guest:guest@127.0.0.1:5672/
log_file = {directory}/octavia.log
[database]
connection = {url}
[api_settings]
auth_strategy = noauth
enabled_provider_drivers = amphora: The Octavia Amphora driver.
[controller_worker]
workers = 1
amphora_driver = amphora_noop_driver
compute_driver = compute_noop_driver
network_driver = network_noop_driver
image_driver = image_noop_driver
volume_driver = volume_noop_driver
client_ca = {directory}/ca.pem
amp_flavor_id = 1
amp_image_tag = amphora
amp_boot_network_list = 00000000-0000-0000-0000-000000000001
[certificates]
cert_manager = noop_cert_manager
ca_certificate = {directory}/ca.pem
ca_private_key = {directory}/ca.key
ca_private_key_passphrase = bench
server_certs_key_passphrase = insecure-key-do-not-use-this-key
[health_manager]
heartbeat_key = insecure
bind_ip = 127.0.0.1
[oslo_messaging]
rpc_thread_pool_size = 2
topic = octavia_prov
"""


@contextlib.contextmanager
def deployment(directory: pathlib.Path, url: str, size: Sequence[str]) -> Iterator[Deployment]:
    """Running for the length of the block; ``size`` says how many processes and threads to uWSGI."""
    config, log = directory / "octavia.conf", directory / "octavia-processes.log"
    config.write_text(CONFIG.format(directory=directory, url=url))
    _authority(directory)
    run(BIN / "octavia-db-manage", "--config-file", config, "upgrade", "head")
    worker_command = [BIN / "octavia-worker", "--config-file", config]
    # Loaded by each process for itself, as Octavia's documentation has it: so on both sides.
    with (
        rabbitmq(directory) as broker,
        background(worker_command, log) as worker,
        uwsgi(BIN / "uwsgi", "octavia.wsgi.api", config, log, [*size, "--lazy-apps"]) as served,
    ):
        # A request that is sent before the worker listens would be lost.
        eventually(lambda: QUEUE in broker.control("list_consumers", "queue_name").split(), 60, "Octavia's worker")
        yield Deployment(Endpoint("Octavia", served.url), url, served.process, worker)
    NETWORK_STATE.unlink(missing_ok=True)


def _authority(directory: pathlib.Path) -> None:
    # The worker signs a certificate for each amphora, even one that is none.
    keys = ["-keyout", directory / "ca.key", "-out", directory / "ca.pem", "-passout", "pass:bench"]
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "30", "-subj", "/CN=bench", *keys)
