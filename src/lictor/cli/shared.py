"""What all processes of a deployment must have alike: the certificate authority, and the secret of heartbeats.

On one host the state directory holds both. Many hosts get them from the operator: options with Octavia's names.
"""

import pathlib

from oslo_config import cfg

from lictor.amphora.keep import Unusable, keep
from lictor.amphora.keys import open_secret
from lictor.amphora.pki import AUTHORITY_FILE, Authority
from lictor.amphora.ring import Ring

SHORTEST = 32
"""Characters of a heartbeat_key: whoever guesses it can speak for every amphora."""


def authority(conf: cfg.ConfigOpts, directory: pathlib.Path) -> Authority:
    """The authority in ``directory``; at first use it is what the options name, or a new one. Raises ``Unusable``.

    Later the file in the directory counts, as authorities may change (`lictor ca roll`).
    """
    options = conf.certificates
    if bool(options.ca_certificate) != bool(options.ca_private_key):
        raise Unusable("[certificates] ca_certificate and ca_private_key go together: name both files, or neither.")
    path = directory / AUTHORITY_FILE
    if options.ca_certificate and not path.exists():
        content = _read(options.ca_private_key) + b"\n" + _read(options.ca_certificate)
        given = Ring.parse(pathlib.Path(options.ca_certificate), content)
        keep(path, given.dump)
    return Authority.open(directory)


def secret(conf: cfg.ConfigOpts, directory: pathlib.Path) -> bytes:
    """What the keys of heartbeats follow from: ``[health_manager] heartbeat_key``, else a file. Raises ``Unusable``."""
    given = conf.health_manager.heartbeat_key
    if given is None:
        return open_secret(directory)
    if len(given) < SHORTEST:
        raise Unusable(
            f"[health_manager] heartbeat_key has {len(given)} characters: give at least {SHORTEST}, at random."
        )
    return str(given).encode()


def _read(path: str) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror or error}.") from None
