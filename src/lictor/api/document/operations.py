"""What an operation takes and answers, as far as a document of the API can say it: the vocabulary of the route table.

Every path and verb has one of these beside its handler in ``lictor.api.routes``; ``openapi`` beside this file makes the
document out of them. The handler's docstring is the operation's description.
"""

import dataclasses
from typing import Any

from lictor.api.fields import Wire
from lictor.api.forms import Form
from lictor.api.views import View

READ_ERRORS = (400, 401, 403, 406, 503)
WRITE_ERRORS = (400, 401, 403, 404, 406, 409, 413, 501, 503)
"""409 and 404 are also about what a request's body names; 501 is what the provider cannot do."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One word of the query string. ``schema`` is JSON Schema; ``many``: it may be given repeatedly."""

    name: str
    description: str
    schema: dict[str, Any]
    many: bool = False


@dataclasses.dataclass(frozen=True)
class Body:
    """An object below ``root``, or a list of such; ``initial`` is the type whose defaults a null means."""

    root: str
    wanted: type[Wire]
    initial: type[Wire] | None = None
    many: bool = False


@dataclasses.dataclass(frozen=True)
class Answer:
    """What stands below ``root``: an object of a view, or of a type that msgspec knows; without a root, it alone.

    ``many``: a list; ``paged``: with links to its neighbours; ``partial``: ``fields`` may have chosen attributes.
    ``texts`` are further media types, of what is for people to read; there may be nothing else (``shape`` None).
    """

    shape: Any
    root: str | None = None
    many: bool = False
    paged: bool = False
    partial: bool = False
    texts: tuple[str, ...] = ()

    @property
    def view(self) -> View | None:
        """The view whose documents these are, if they are a view's."""
        shape = self.shape.view if isinstance(self.shape, Form) else self.shape
        return shape if isinstance(shape, View) else None


@dataclasses.dataclass(frozen=True)
class Operation:
    """One verb on one path. ``alike`` are statuses other than the good one that come with the same answer."""

    status: int = 200
    answer: Answer | None = None
    body: Body | None = None
    query: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = READ_ERRORS
    secured: bool = True
    alike: tuple[int, ...] = ()


FIELDS = Parameter("fields", "Only these attributes are shown; unknown names show nothing.", {"type": "string"}, True)


def lists(view: View, *errors: int) -> Operation:
    """A collection of a view, with filters, sorting and pages. ``errors``: what it answers beside the usual."""
    return Operation(answer=Answer(view, view.plural, True, True, True), errors=(*READ_ERRORS, *errors))


def shows(view: View) -> Operation:
    """One object of a view."""
    return Operation(answer=Answer(view, view.single, partial=True), query=(FIELDS,), errors=(*READ_ERRORS, 404))


def reads(root: str, shape: Any, *query: Parameter, many: bool = False) -> Operation:
    """What is no view, below an object or alone."""
    return Operation(answer=Answer(shape, root, many, partial=FIELDS in query), query=query, errors=(*READ_ERRORS, 404))


def creates(view: View, wanted: type[Wire], shape: Any = None) -> Operation:
    """A new object; ``shape`` is what is answered if that is not the view's."""
    return Operation(201, Answer(shape or view, view.single), Body(view.single, wanted), errors=WRITE_ERRORS)


def updates(view: View, wanted: type[Wire], initial: type[Wire], status: int = 200) -> Operation:
    """A change of what the request names; ``initial`` is the type that creates such objects."""
    body = Body(view.single, wanted, initial)
    return Operation(status, Answer(view, view.single), body, errors=WRITE_ERRORS)


def deletes(*query: Parameter, status: int = 204) -> Operation:
    """The end of an object."""
    return Operation(status, query=query, errors=(*READ_ERRORS, 404, 409))


def starts(*errors: int) -> Operation:
    """Work without a body, of which only the acceptance is answered."""
    return Operation(202, errors=(*READ_ERRORS, 404, 409, *errors))
