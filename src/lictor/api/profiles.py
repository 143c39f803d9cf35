"""What flavors and availability zones say to their provider: JSON objects in text form (reference, 1.13)."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from lictor.api import errors, providers
from lictor.api.catalogue import Kind
from lictor.api.resource import Api
from lictor.drivers.providers.base import InvalidData, NotSupported, Provider

Validate = Callable[[Provider, Mapping[str, Any]], None]


def kind(field: str, validate: Validate, **particulars: Any) -> Kind:
    """A kind of profile; ``field`` is the attribute with its data, ``particulars`` the rest of what a ``Kind`` says."""

    def check(api: Api, session: Session, values: dict[str, Any], row: Any) -> None:
        _check(api, session, made, field, validate, values, row)

    made = Kind(check=check, **particulars)
    return made


def _check(
    api: Api, session: Session, kind: Kind, field: str, validate: Validate, values: dict[str, Any], row: Any
) -> None:
    """Check a profile that is made or changed. Raises 400, 409 and 501."""
    after: dict[str, Any] = {name: getattr(row, name, None) for name in ("provider_name", field)} | values
    if row is not None:
        if all(getattr(row, name) == after[name] for name in ("provider_name", field)):
            return
        if kind.is_used(session, row.id):
            raise kind.in_use(row.id)
    provider = providers.resolve(api.conf, after["provider_name"])
    data = _parse(field, after[field])
    try:
        validate(provider, data)
    except NotSupported as error:
        raise errors.not_implemented(
            f"Provider '{after['provider_name']}' does not support a requested option: {field}: {error}"
        ) from None
    except InvalidData as error:
        raise errors.invalid_field(f"{field}.{error.key}", error.value, error.expected) from None


def _parse(field: str, text: str) -> dict[str, Any]:
    try:
        data = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        raise errors.invalid_option(text, field) from None
    if not isinstance(data, dict):
        raise errors.invalid_field(field, text, "a JSON object in text form")
    return data
