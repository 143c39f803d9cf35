"""A real, small OpenStack on loopback: Keystone, Glance, Placement, Neutron and Nova, of PyPI's newest releases.

    tests/lab/sealed python -m tests.lab.cloud pytest tests/openstack

Nova's fake driver boots nothing, and Neutron binds ports without an agent (``plugin``): APIs, databases, scheduler and
message bus are those that a cloud runs, and no packet of a server's ever flows. ``settings`` writes the configuration,
``services`` makes the schemas and runs the processes, ``seed`` fills in what a cloud has on its first day. Everything
listens where it does by default, so it wants a network namespace of its own; everything ends with the block.
"""

import contextlib
import os
import pathlib
import time
from collections.abc import Iterator

from openstack.connection import Connection

from tests.lab import databases
from tests.lab.cloud import seed, services, settings
from tests.lab.keystone import PASSWORD, Keystone
from tests.lab.rabbitmq import rabbitmq

VARIABLE = "LICTOR_TEST_CLOUD"
"""Set in the environment if there is a cloud already."""


def connect(user: str, project: str) -> Connection:
    """The cloud as this user sees it."""
    return Connection(
        auth={
            "auth_url": settings.AUTH_URL, "username": user, "password": PASSWORD, "project_name": project,
            "user_domain_id": "default", "project_domain_id": "default",
        },
        region_name="RegionOne",
    )  # fmt: skip


@contextlib.contextmanager
def cloud(directory: pathlib.Path, hypervisor: str = settings.FAKE, balancing: bool = True) -> Iterator[None]:
    """A running cloud for the length of the block, by default with what a load-balancer service needs.

    With the hypervisor ``settings.NAMESPACES`` servers run, and may be reached from here. Logs and times are in
    ``directory``/logs.
    """
    logs = directory / "logs"
    logs.mkdir(parents=True)
    began = time.monotonic()

    def say(what: str) -> None:
        with (logs / "times").open("a") as file:
            print(f"{time.monotonic() - began:6.1f} {what}", file=file)

    with contextlib.ExitStack() as stack:
        database = stack.enter_context(databases.server("mariadb"))
        stack.enter_context(rabbitmq(directory))
        keystone = stack.enter_context(Keystone(directory / "keystone", settings.PORTS["identity"]))
        say("MariaDB, RabbitMQ and Keystone run")
        settings.write(directory, database.directory, hypervisor)
        services.make_schemas(directory, logs, database)
        say("schemas are made")
        seed.accounts(keystone)
        say("accounts are made")
        services.run(stack, directory, logs)
        say("services answer")
        seed.resources(connect("admin", "admin"))
        if balancing:
            seed.balancing(keystone)
            seed.amphorae(connect("admin", "admin"), connect("octavia", "service"))
        say("seeded")
        yield


def there_already() -> bool:
    """Whether we run beside a cloud that somebody else began."""
    return bool(os.environ.get(VARIABLE))
