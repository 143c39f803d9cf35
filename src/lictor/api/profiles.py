"""What flavors and availability zones say to their provider: JSON objects in text form (reference, 1.13).

Whether what they name is there (``outside``) is asked when a profile is made or changed, not when it is used: what has
vanished since is told of by the load balancer that cannot be made.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from lictor.api import errors, outside, providers
from lictor.api.catalogue import Kind
from lictor.api.resource import Api
from lictor.drivers.providers.base import InvalidData, NotSupported, Provider

Validate = Callable[[Provider, Mapping[str, Any]], None]


def kind(field: str, validate: Validate, **particulars: Any) -> Kind:
    """A kind of profile; ``field`` is the attribute with its data, ``particulars`` the rest of what a ``Kind`` says."""

    def check(api: Api, session: Session, values: dict[str, Any], row: Any) -> None:
        after = _after(field, values, row)
        if after is not None:
            if row is not None and made.is_used(session, row.id):
                raise made.in_use(row.id)
            _valid(api, field, validate, after)

    def ask(api: Api, values: dict[str, Any], row: Any) -> None:
        after = _after(field, values, row)
        if after is not None:
            provider, data = _valid(api, field, validate, after)
            if provider.has_amphorae:
                outside.check(api, field, data)

    made = Kind(check=check, ask=ask, **particulars)
    return made


def _after(field: str, values: dict[str, Any], row: Any) -> dict[str, Any] | None:
    """The provider and its data as they are to be, or None if they stay as they are."""
    before: dict[str, Any] = {name: getattr(row, name, None) for name in ("provider_name", field)}
    after = {name: values.get(name, before[name]) for name in before}
    return None if row is not None and after == before else after


def _valid(api: Api, field: str, validate: Validate, after: Mapping[str, Any]) -> tuple[Provider, dict[str, Any]]:
    """The provider and what it is told. Raises 400 and 501."""
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
    return provider, data


def _parse(field: str, text: str) -> dict[str, Any]:
    try:
        data = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        raise errors.invalid_option(text, field) from None
    if not isinstance(data, dict):
        raise errors.invalid_field(field, text, "a JSON object in text form")
    return data
