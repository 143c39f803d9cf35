"""A throw-away Barbican: usage HOME=DIRECTORY barbican_server.py PORT, with a barbican.conf in DIRECTORY

Runs in Keystone's virtual environment, into which `make .venv-keystone/.barbican` installs it too. Barbican makes its
database itself. It prints `ready` when it listens.
"""

import pathlib
import sys

PASTE = pathlib.Path(sys.prefix) / "etc/barbican/barbican-api-paste.ini"


def main():
    port = int(sys.argv[1])
    sys.argv = ["barbican"]  # Barbican reads the command line as its own, and looks for its file in the home directory.
    from cheroot import wsgi
    from paste import deploy

    application = deploy.loadapp(f"config:{PASTE}")
    # One request at a time, as SQLite has it.
    server = wsgi.Server(("127.0.0.1", port), application, numthreads=1, request_queue_size=128, timeout=60)
    server.prepare()
    print("ready", flush=True)
    server.serve()


if __name__ == "__main__":
    main()
