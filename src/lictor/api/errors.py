"""What can be wrong with a request, as sentences, in the one shape that all answers have (reference, 1.4, shape A)."""

import logging
from typing import Any

import falcon
import msgspec
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError, TimeoutError

from lictor.drivers.inventory import InventoryError
from lictor.drivers.network.base import AddressUnavailable, InvalidAddress, NetworkError
from lictor.model.changes import Immutable

LOG = logging.getLogger(__name__)

_LONGEST_VALUE = 255


def bad_request(text: str) -> falcon.HTTPError:
    """400: the request cannot be understood, or says what cannot be."""
    return falcon.HTTPError(falcon.HTTP_400, description=text)


def validation(detail: str) -> falcon.HTTPError:
    """400: the values are well formed but do not go together."""
    return bad_request(f"Validation failure: {detail}")


def unknown_attribute(argument: str, attribute: str) -> falcon.HTTPError:
    """400: an attribute that does not exist, can only be read, or cannot change."""
    return bad_request(f"Unknown attribute for argument {argument}: {attribute}")


def invalid_field(field: str, value: object, expected: str) -> falcon.HTTPError:
    """400: one value is wrong; ``expected`` completes "Value should be"."""
    text = str(value)
    shown = text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
    return bad_request(f"Invalid input for field/attribute {field}. Value: '{shown}'. Value should be {expected}.")


def missing_field(field: str) -> falcon.HTTPError:
    """400: an attribute that must be given."""
    return bad_request(f"Invalid input for field/attribute {field}. Value: 'None'. Mandatory field missing.")


def invalid_option(value: object, option: str) -> falcon.HTTPError:
    """400: not one of the words that an option takes."""
    return bad_request(f"{value} is not a valid option for {option}")


def disabled_option(option: str, value: object) -> falcon.HTTPError:
    """400: right as such, but the operator has ruled it out."""
    return bad_request(f"The selected {option} is not allowed in this deployment: {value}")


def no_children(protocol: str) -> falcon.HTTPError:
    """400: a listener of this protocol has neither pools nor policies."""
    return bad_request(f"Protocol {protocol} listeners cannot have child objects.")


def not_found(title: str, resource_id: str) -> falcon.HTTPError:
    """404: the object of the request, or one it names, is not there."""
    return falcon.HTTPError(falcon.HTTP_404, description=f"{title} {resource_id} not found.")


def invalid_subresource(title: str, resource_id: str) -> falcon.HTTPError:
    """400: an object of another service that the request names is not there."""
    return bad_request(f"{title} {resource_id} not found.")


def invalid_reference(title: str, name: str, field: str, expected: str) -> falcon.HTTPError:
    """400: the same, where a field says it for somebody else; ``expected`` completes "should be"."""
    return bad_request(f"{title} {name} not found: {field} should be {expected}.")


def other_change() -> falcon.HTTPError:
    """409: what a request was checked against is not what is there now."""
    return conflict("Another request changed the same objects at the same time. Please try again.")


def forbidden() -> falcon.HTTPError:
    """403: who asks may not."""
    return falcon.HTTPError(falcon.HTTP_403, description="Policy does not allow this request to be performed.")


def unauthorized(resp: falcon.Response, challenge: str) -> None:
    """401, in the shape that keystonemiddleware's has (reference, 1.4, shape C): nobody knows who asks."""
    resp.status = falcon.HTTP_401
    resp.set_header("WWW-Authenticate", challenge)
    resp.content_type = falcon.MEDIA_JSON
    resp.data = _UNAUTHORIZED


_UNAUTHORIZED = msgspec.json.encode(
    {
        "error": {
            "code": 401,
            "title": "Unauthorized",
            "message": "The request you have made requires authentication.",
        }
    }
)


def quota_met(titles: str) -> falcon.HTTPError:
    """403: the project has all it may have of these."""
    return falcon.HTTPError(falcon.HTTP_403, description=f"Quota has been met for resources: {titles}")


def conflict(text: str) -> falcon.HTTPError:
    """409: it clashes with what is there."""
    return falcon.HTTPError(falcon.HTTP_409, description=text)


def immutable(title: str, resource_id: str) -> falcon.HTTPError:
    """409: the object is being deleted."""
    return conflict(f"{title} {resource_id} is immutable and cannot be updated.")


def invalid_state(status: str, load_balancer_id: str) -> falcon.HTTPError:
    """409: a load balancer that cannot be changed in the status it has."""
    return conflict(f"Invalid state {status} of loadbalancer resource {load_balancer_id}")


def too_large(limit: int) -> falcon.HTTPError:
    """413: a body longer than anybody has a use for; ``limit`` is in bytes."""
    return falcon.HTTPError(falcon.HTTP_413, description=f"The body of the request is longer than {limit} bytes.")


def unsupported(option: str) -> falcon.HTTPError:
    """501: good Octavia, but not something this provider can do yet."""
    return falcon.HTTPError(
        falcon.HTTP_501,
        description=f"Provider 'amphora' does not support a requested option: {option} is not yet supported",
    )


def not_implemented(text: str) -> falcon.HTTPError:
    """501: good Octavia, but not something that this provider has."""
    return falcon.HTTPError(falcon.HTTP_501, description=text)


def unavailable(text: str) -> falcon.HTTPError:
    """503: not the request's fault, and trying again may help."""
    return falcon.HTTPError(falcon.HTTP_503, description=text)


def fault(status_code: int, text: str | None) -> dict[str, Any]:
    """The body of an error."""
    return {"faultcode": "Server" if status_code >= 500 else "Client", "faultstring": text, "debuginfo": None}


def encoded(status_code: int, text: str | None) -> bytes:
    """The body of an error as it is sent."""
    return msgspec.json.encode(fault(status_code, text))


def serialize(_req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """Falcon's error serializer."""
    text = error.description or _DEFAULTS.get(error.status_code, error.title)
    resp.data = encoded(error.status_code, text)
    resp.content_type = falcon.MEDIA_JSON


_DEFAULTS = {
    404: "The resource could not be found.",
    405: "The method is not allowed for this resource.",
    406: "The answer could only be JSON, which the Accept header of the request does not allow.",
}


def _raise_immutable(_req: Any, _resp: Any, error: Immutable, _params: Any) -> None:
    raise conflict(str(error))


def _raise_network(_req: Any, _resp: Any, error: NetworkError, _params: Any) -> None:
    if isinstance(error, AddressUnavailable):
        raise conflict(str(error))
    if isinstance(error, InvalidAddress):
        raise bad_request(f"Validation failure: {error}")
    raise unavailable(str(error))


def _raise_away(_req: Any, _resp: Any, error: InventoryError, _params: Any) -> None:
    raise unavailable(str(error))


def _raise_database(req: falcon.Request, _resp: Any, error: Exception, _params: Any) -> None:
    if isinstance(error, IntegrityError):
        LOG.warning("%s lost to another request: %s", req.context.request_id, error)
        raise other_change()
    if isinstance(error, DataError):
        LOG.warning("%s holds what the database cannot store: %s", req.context.request_id, error)
        raise bad_request("A value of the request cannot be stored in the database.")
    if isinstance(error, ProgrammingError):
        raise _internal(req, error)
    if isinstance(error, DBAPIError) and (error.statement or "").startswith(("UPDATE quota", "INSERT INTO quota")):
        raise unavailable("Project busy. Unable to lock the project. Please try again.")
    LOG.error("%s met a database that does not work: %s", req.context.request_id, error)
    # Who loses the database while it commits cannot know whether it did.
    doubt = "" if req.method == "GET" else " It is not certain that nothing was changed."
    raise unavailable(f"The database {_trouble(error)}.{doubt} Please try again later.")


_TROUBLES = {
    "full": "has no room left",
    "no space": "has no room left",
    "readonly": "cannot be written to",
    "read-only": "cannot be written to",
    "read only": "cannot be written to",
    "locked": "is busy",
    "deadlock": "is busy",
    "timeout": "is busy",
}


def _trouble(error: Exception) -> str:
    text = str(getattr(error, "orig", None) or error).lower()
    return next((sentence for word, sentence in _TROUBLES.items() if word in text), "cannot be reached")


def _internal(req: falcon.Request, error: Exception) -> falcon.HTTPError:
    LOG.error("%s failed in a way that nobody foresaw", req.context.request_id, exc_info=error)
    text = f"Unexpected error. The log of the API has its cause under {req.context.request_id}."
    return falcon.HTTPError(falcon.HTTP_500, description=text)


def _raise_internal(req: falcon.Request, _resp: Any, error: Exception, _params: Any) -> None:
    raise _internal(req, error)


def register(app: falcon.App[Any, Any]) -> None:
    """Have every error of an application answered in this shape."""
    app.set_error_serializer(serialize)
    app.add_error_handler(Exception, _raise_internal)
    app.add_error_handler(Immutable, _raise_immutable)
    app.add_error_handler(NetworkError, _raise_network)
    app.add_error_handler(InventoryError, _raise_away)
    app.add_error_handler(DBAPIError, _raise_database)
    app.add_error_handler(TimeoutError, _raise_database)
