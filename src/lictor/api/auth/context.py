"""Who asks, and whether they may."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any, Protocol

import falcon

from lictor.api import errors
from lictor.api.auth.enforcer import IS_ADMIN, Policies

DEFAULT_PROJECT = "7c1e1f2a5d9b4c3e8f60a1b2c3d4e5f6"
"""The project of whoever names none: there is no Keystone to ask in a standalone deployment."""

DEFAULT_PROJECT_NAME = "lictor"

LISTS_ALL = "os_load-balancer_api:loadbalancer:get_all-global"
"""The rule by which somebody may see what there is outside the own project, if no rule is more to the point."""

PROJECT = re.compile(r"[A-Za-z0-9_.:-]{1,36}")
"""What may be the id of a project."""


@dataclasses.dataclass(frozen=True)
class Context:
    """The caller of one request.

    ``project_id`` is None for tokens of Keystone that are for no project. ``unlimited`` callers are administrators
    whatever the policies say. ``others`` is what else an operator's rules may refer to. ``token`` is the caller's own,
    of Keystone, with which other services do what the caller may do there.
    """

    user: str
    project_id: str | None
    roles: tuple[str, ...]
    policies: Policies = dataclasses.field(compare=False, repr=False)
    unlimited: bool = False
    others: tuple[tuple[str, Any], ...] = ()
    token: str | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def is_admin(self) -> bool:
        """Whether the policies count the caller among the administrators."""
        return self.unlimited or self.policies.allows(IS_ADMIN, self, self.project_id)

    def credentials(self) -> dict[str, Any]:
        """What policy rules can refer to."""
        # What is not there matches nothing: no project of the caller's is not that of an object without one.
        project = {"project_id": self.project_id, "tenant_id": self.project_id} if self.project_id else {}
        others = {name: list(value) if isinstance(value, tuple) else value for name, value in self.others}
        return {**others, **project, "user_id": self.user, "roles": list(self.roles)}


def context_of(req: falcon.Request) -> Context:
    """The context that the authentication left with the request."""
    context = req.context.caller
    assert isinstance(context, Context)
    return context


def named_project(req: falcon.Request) -> str | None:
    """The project that the request says it acts for. Raises 400."""
    project = req.get_header("X-Project-Id") or req.get_header("X-Tenant-Id")
    if not project:
        return None
    if not PROJECT.fullmatch(project):
        raise errors.invalid_field("X-Project-Id", project, "an id of 1 to 36 letters, digits and any of _ . : -")
    return project


def authorize(context: Context, rule: str, project_id: str | None) -> None:
    """Raise 403 unless the caller may do what ``rule`` names (reference, 2.3) to an object of this project.

    For what everybody shares, such as flavors, that is the caller's own. With None, only who may touch everybody's may.
    """
    if not context.policies.allows(rule, context, project_id):
        raise errors.forbidden()


def sees_all(context: Context, rule: str) -> bool:
    """Whether lists show the objects of all projects: the rules ``get_all-global`` (reference, 1.5 "Scope")."""
    return context.policies.allows(rule, context, None)


class Owned(Protocol):
    """An object of another service. ``project_id`` is empty if it is nobody's in particular."""

    @property
    def project_id(self) -> str:
        """Whose it is."""


Sees = Callable[[Owned], bool]
"""Whether an object of another service exists as far as somebody goes."""


def may_use(context: Context, found: Owned) -> bool:
    """Whether an object of another service exists as far as the caller goes."""
    return found.project_id in ("", context.project_id) or sees_all(context, LISTS_ALL)


def owner(context: Context, asked: str | None) -> str:
    """The project of a new object: the one asked for, or the caller's. Raises 400 if there is neither."""
    project_id = asked or context.project_id
    if not project_id:
        raise errors.bad_request("Missing project ID in request where one is required: give project_id.")
    return project_id
