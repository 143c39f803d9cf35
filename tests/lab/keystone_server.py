"""A throw-away Keystone: usage keystone_server.py DIRECTORY PORT PASSWORD

Runs in the virtual environment of Keystone (`make .venv-keystone/.ready`), not in Lictor's. The first start on a
directory makes the database, keys and the user `admin`; that takes some seconds. It prints `ready` when it listens.
"""

import os
import pathlib
import sys

from keystone.cmd import cli

CONF = """
[DEFAULT]
log_file = {directory}/keystone.log
[database]
connection = sqlite:///{directory}/keystone.db
[cache]
enabled = true
backend = oslo_cache.dict
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = {directory}/keys
[fernet_receipts]
key_repository = {directory}/keys
[credential]
key_repository = {directory}/credential-keys
[identity]
# Nothing here is a secret, and tempest makes and drops some hundred users.
password_hash_rounds = 4
[oslo_policy]
policy_dirs = {directory}/policy.d
"""


def main():
    directory, port, password = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    conf = directory / "keystone.conf"
    if not (directory / "ready").exists():
        prepare(directory, conf, port, password)
    serve(conf, port)


def prepare(directory, conf, port, password):
    conf.write_text(CONF.format(directory=directory))
    for name in ("keys", "credential-keys"):
        (directory / name).mkdir(mode=0o700, exist_ok=True)
    owner = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
    manage(conf, "db_sync")
    manage(conf, "fernet_setup", *owner)
    manage(conf, "credential_setup", *owner)
    url = f"http://127.0.0.1:{port}/v3"
    interfaces = [word for name in ("admin", "internal", "public") for word in (f"--bootstrap-{name}-url", url)]
    manage(conf, "bootstrap", "--bootstrap-password", password, "--bootstrap-region-id", "RegionOne", *interfaces)
    (directory / "ready").touch()


def manage(conf, *words):
    """One command of keystone-manage in a child: importing Keystone takes most of its time, and that is done."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            cli.main(["keystone-manage", "--config-file", str(conf), *words])
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(f"keystone-manage {words[0]} failed; see {conf.parent / 'keystone.log'}")


def serve(conf, port):
    from cheroot import wsgi

    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(conf)
    sys.argv = ["keystone"]  # Keystone reads the command line as its own.
    from keystone.wsgi.api import application

    # One request at a time: on SQLite, Keystone reads before it writes in one transaction, so two can end in "locked".
    server = wsgi.Server(("127.0.0.1", port), application, numthreads=1, request_queue_size=128, timeout=60)
    server.prepare()
    print("ready", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
