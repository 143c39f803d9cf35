"""A world whose callers are told apart as in production behind auth_token: by the headers that it leaves."""

import pathlib
from typing import Any

from lictor.api.auth.enforcer import Policies
from lictor.api.auth.keystone import Headers
from tests.unit.api.world import L, World

OWN, FOREIGN = "0" * 31 + "1", "0" * 31 + "2"


def caller(*roles: str, project_id: str = OWN, **headers: str) -> dict[str, str]:
    """The headers of a request whose token Keystone found good."""
    return {
        "X-Identity-Status": "Confirmed",
        "X-User-Id": "user",
        "X-Project-Id": project_id,
        "X-Roles": ",".join(roles),
        **headers,
    }


ADMIN = caller("admin")


class Guarded(World):
    """Whoever is not told otherwise calls as the administrator. The compute driver is noop: nothing answers 501."""

    def __init__(self, directory: pathlib.Path, **overrides: object) -> None:
        super().__init__(directory, **{"controller_worker__compute_driver": "noop"} | overrides)

    def _app(self, **options: Any) -> Any:
        return super()._app(strategy=Headers(Policies(self.conf)), **options)

    def call(self, method: str, path: str, status: int, body: Any = None, **options: Any) -> Any:
        return super().call(method, path, status, body, **{"headers": ADMIN} | options)

    def status(self, method: str, path: str, headers: dict[str, str], body: Any = None) -> int:
        """The status of the answer, whatever it is."""
        options = {} if body is None else {"json": body}
        path = path if path.startswith("/v2") else L + path
        answer = self.http.simulate_request(method, path, headers=headers, **options)
        return int(answer.status_code)
