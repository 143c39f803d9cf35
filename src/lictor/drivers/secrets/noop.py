"""Secrets for tests that pass references to nothing: any reference stands for something that is good.

What makes certificates is loaded with the first reference: it is 6 MiB of memory that only TLS needs.
"""

from oslo_config import cfg

from lictor.drivers.secrets.base import Authority, Certificate, Revocations


class NoopSecrets:
    """The driver ``noop``."""

    has_consumers = False

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def version(self, project_id: str, reference: str) -> str:
        """Nothing changes."""
        return reference

    def certificate(self, project_id: str, reference: str, lapsed: bool = False) -> Certificate:
        """The same certificate for every reference."""
        from lictor.drivers.secrets import selfsigned

        return selfsigned.certificate()

    def authority(self, project_id: str, reference: str, lapsed: bool = False) -> Authority:
        """The same authority for every reference."""
        from lictor.drivers.secrets import selfsigned

        return selfsigned.authority()

    def revocations(self, project_id: str, reference: str, lapsed: bool = False) -> Revocations:
        """An empty list of that authority."""
        from lictor.drivers.secrets import selfsigned

        return selfsigned.revocations()

    def share(self, token: str | None, reference: str) -> None:
        """Nothing: whatever it is may be used."""

    def register(self, reference: str, load_balancer_id: str) -> None:
        """Nothing: nobody wants to know."""

    def unregister(self, reference: str, load_balancer_id: str) -> None:
        """Nothing: nobody was told."""
