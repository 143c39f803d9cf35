"""Authentication: finds out who asks, in the way that ``[api_settings] auth_strategy`` names (reference, 2.1)."""

from typing import Protocol

import falcon
from oslo_config import cfg

from lictor.api.auth.context import DEFAULT_PROJECT, Context, named_project
from lictor.api.auth.enforcer import Policies

OPEN_PATHS = frozenset({"/", "/load-balancer", "/healthcheck", "/load-balancer/healthcheck", "/openapi.json", "/docs"})
"""Paths that ask nobody who they are (reference, 1.1), without the slash that may stand at their end."""


class Strategy(Protocol):
    """One way to find out who asks."""

    def identify(self, req: falcon.Request, resp: falcon.Response) -> Context | None:
        """The caller. None if that is nobody, and then the answer is in ``resp``."""


class NoAuth:
    """Everybody is the administrator (reference, 2.1)."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def identify(self, req: falcon.Request, resp: falcon.Response) -> Context | None:
        """Always the same user; the project is the one that the request names."""
        project_id = named_project(req) or DEFAULT_PROJECT
        return Context("noauth", project_id, ("admin", "member", "reader"), self._policies, unlimited=True)


class Authentication:
    """Falcon middleware: leaves a ``Context`` with every request, or answers 401."""

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Find out who asks, before anything else of the request is looked at."""
        if req.path in OPEN_PATHS:
            return
        caller = self._strategy.identify(req, resp)
        if caller is None:
            resp.complete = True
        else:
            req.context.caller = caller


def strategy(conf: cfg.ConfigOpts, policies: Policies) -> Strategy:
    """The strategy that the options name. Raises ``config.Misconfigured``."""
    name = conf.api_settings.auth_strategy
    if name == "noauth":
        return NoAuth(policies)
    if name == "keystone":
        from lictor.api.auth.keystone import Keystone  # Half a second that only those pay who need it.

        return Keystone(conf, policies)
    from lictor.api.auth.httpbasic import HttpBasic

    return HttpBasic(conf, policies)
