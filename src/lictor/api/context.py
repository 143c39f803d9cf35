"""Who asks, and whether they may."""

import dataclasses

import falcon

from lictor.api import errors

DEFAULT_PROJECT = "7c1e1f2a5d9b4c3e8f60a1b2c3d4e5f6"
"""The project of whoever names none: there is no Keystone to ask in a standalone deployment."""

DEFAULT_PROJECT_NAME = "lictor"


@dataclasses.dataclass(frozen=True)
class Context:
    """The caller of one request."""

    user: str
    project_id: str
    is_admin: bool = True
    roles: tuple[str, ...] = ("admin", "member")


def context_of(req: falcon.Request) -> Context:
    """The context that the authentication left with the request."""
    context = req.context.caller
    assert isinstance(context, Context)
    return context


def authorize(context: Context, rule: str, project_id: str | None) -> None:
    """Raise 403 unless the caller may do what ``rule`` names (reference, 2.3) to an object of this project."""
    if context.is_admin or ("member" in context.roles and project_id == context.project_id):
        return
    raise errors.forbidden()


def sees_all(context: Context, rule: str) -> bool:
    """Whether lists show the objects of all projects: the rules ``get_all-global`` (reference, 1.5 "Scope")."""
    return context.is_admin
