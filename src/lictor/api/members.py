"""Members: ``/pools/{pool}/members`` (reference, 1.9)."""

import contextlib
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import falcon
from msgspec import UNSET
from sqlalchemy import select
from sqlalchemy.orm import Session

from lictor.api import body, errors, limits, supported
from lictor.api.auth.context import Context, authorize, context_of
from lictor.api.fields import boolean, changes
from lictor.api.item import Item
from lictor.api.kinds import parse_address
from lictor.api.requests.members import MemberInBatch, MemberInGraph, MemberPost, MemberPut
from lictor.api.resource import Api, Change, Reader, begin_at, owner_below, rule
from lictor.api.views import MEMBERS, POOLS, Document
from lictor.model import Listener, Member, Pool
from lictor.model.changes import mark_deleted
from lictor.model.offers import flavor_data
from lictor.model.queries import forget, tags_of
from lictor.model.rules import DATAGRAM_POOLS, member_fits_vips
from lictor.model.statuses import Operating, Provisioning

_COLUMNS = (
    "name", "admin_state_up", "address", "protocol_port", "weight", "backup", "subnet_id", "monitor_address",
    "monitor_port",
)  # fmt: skip

Asked = MemberInGraph | MemberInBatch
Key = tuple[str, int]
"""Address in its canonical spelling, and port: one member of a pool has each."""


def check_outside(api: Api, context: Context, members: Iterable[Asked]) -> None:
    """Check what other services know of: before the transaction, as they may be slow. Raises 400 and 404."""
    subnets, reserved = set(), _reserved(api)
    for member in members:
        _check_reserved(reserved, "member address", member.address)
        _check_reserved(reserved, "member monitor_address", member.monitor_address)
        if member.subnet_id not in (None, UNSET):
            subnets.add(str(member.subnet_id))
    if not subnets:
        return
    seen = api.networking.as_seen_with(context.token)
    for subnet_id in sorted(subnets):
        if seen.subnet(subnet_id) is None:
            raise errors.not_found("Subnet", subnet_id)


def check_outside_below(
    api: Api, context: Context, rule: str, load_balancer_id: str | None, members: Sequence[Asked]
) -> None:
    """The same for members of a load balancer that is there; raises 403 before, as a stranger sees no subnet of it."""
    if members and owner_below(api, context, rule, load_balancer_id):
        check_outside(api, context, members)


def _reserved(api: Api) -> set[str]:
    """The addresses that no member may have, such as that of the cloud's metadata service."""
    return {parse_address(each) for each in api.conf.networking.reserved_ips}


def _check_reserved(reserved: set[str], option: str, address: str | None) -> None:
    if address is not None and parse_address(address) in reserved:
        raise errors.invalid_option(address, option)


def create_all(change: Change, pool: Pool, wanted: Sequence[MemberInGraph]) -> None:
    """Add the members of a pool that is new, in one go. Raises 400 and 409.

    The pool's monitor makes no difference to their first operating status (reference, 3.3).
    """
    taken: set[Key] = set()
    fits = _Fit.of(change, pool)
    for each in wanted:
        change.check_project(each.project_id)
        fits.check(each.address)
        if _key(each) in taken:
            raise _conflict(each)
        taken.add(_key(each))
    change.add_all(Member, [_values(change, pool, each) for each in wanted], [each.tags for each in wanted])


def create(change: Change, pool: Pool, wanted: Asked, taken: dict[Key, Member]) -> Member:
    """Add a member to a pool, and to ``taken``, which holds those in its way. Raises 400 and 409."""
    change.check_project(wanted.project_id)
    _Fit.of(change, pool).check(wanted.address)
    _make_room(change, wanted, taken)
    member = Member(**_values(change, pool, wanted))
    if _is_monitored(pool):
        member.operating_status = Operating.OFFLINE
    change.add(member, [] if wanted.tags is UNSET else wanted.tags)
    taken[_key(wanted)] = member
    return member


def _values(change: Change, pool: Pool, wanted: Asked) -> dict[str, Any]:
    asked = {name: value for name in _COLUMNS if (value := getattr(wanted, name)) is not UNSET}
    fixed = {"pool_id": pool.id, "operating_status": Operating.NO_MONITOR, "vnic_type": _vnic_type(change, wanted)}
    return asked | fixed


def _key(member: Asked | Member) -> Key:
    return parse_address(member.address), member.protocol_port


def _in_the_way(session: Session, pool: Pool, wanted: MemberPost) -> dict[Key, Member]:
    """The member that has this address and port, if there is one; IPv6 addresses can be written in many ways."""
    there = select(Member.id, Member.address).where(
        Member.pool_id == pool.id,
        Member.protocol_port == wanted.protocol_port,
        Member.address.contains(":") if ":" in wanted.address else Member.address == wanted.address,
    )
    key = _key(wanted)
    for member_id, address in session.execute(there):
        if parse_address(address) == key[0]:
            return {key: session.get_one(Member, member_id)}
    return {}


@dataclasses.dataclass(frozen=True)
class _Fit:
    """What an address of a member is checked against; it is the same for all members of a pool."""

    session: Session
    pool: Pool
    vips: list[str]
    carried: bool

    @classmethod
    def of(cls, change: Change, pool: Pool) -> "_Fit":
        load_balancer = change.load_balancer
        vips = [load_balancer.vip_address, *(vip.ip_address for vip in load_balancer.additional_vips)]
        return cls(change.session, pool, [vip for vip in vips if vip], supported.data_plane(change.api.conf))

    def check(self, address: str) -> None:
        if parse_address(address) in self.vips:
            raise errors.validation(
                f"Member address {address} is the VIP of its own load balancer, which would be a loop."
            )
        if self._in_use_and_beyond(address):
            raise self.beyond(address)

    def _in_use_and_beyond(self, address: str) -> bool:
        """Until a listener uses it, a pool may have any members, as with Octavia."""
        users = select(Listener.id).where(Listener.default_pool_id == self.pool.id)
        return not self.reaches(address) and self.session.scalars(users.limit(1)).first() is not None

    def reaches(self, address: str) -> bool:
        """Whether traffic of some VIP can get there; where there is no data plane, nobody knows better."""
        return not self.carried or member_fits_vips(self.pool.protocol, address, self.vips)

    def beyond(self, address: str) -> Exception:
        """What to say of one that is not reached."""
        return errors.validation(
            f"Member address {address} is of another IP version than the load balancer's VIP, which "
            f"{self.pool.protocol} does not cross: use a member of the VIP's version, or an additional VIP of the "
            "member's."
        )


def check_reached(change: Change, pool: Pool) -> None:
    """Raises 400 unless the VIPs reach the members of a pool that a listener is about to use."""
    if pool.protocol not in DATAGRAM_POOLS:
        return
    fit = _Fit.of(change, pool)
    there = Member.provisioning_status != Provisioning.PENDING_DELETE
    for address in change.session.scalars(select(Member.address).where(Member.pool_id == pool.id, there)):
        if not fit.reaches(address):
            raise fit.beyond(address)


def _make_room(change: Change, wanted: Asked, taken: dict[Key, Member]) -> None:
    there = taken.get(_key(wanted))
    if there is None:
        return
    if there.provisioning_status != Provisioning.PENDING_DELETE:
        raise _conflict(wanted)
    forget(change.session, there)


def _conflict(wanted: Asked) -> Exception:
    return errors.conflict(
        f"Another member on this pool is already using ip {wanted.address} on protocol_port {wanted.protocol_port}"
    )


def _vnic_type(change: Change, wanted: Asked) -> str:
    if not wanted.request_sriov:
        return "normal"
    if not flavor_data(change.session, change.load_balancer.flavor_id).get("allow_member_sriov"):
        raise errors.bad_request("The load balancer flavor does not allow SR-IOV member ports.")
    return "direct"


def _is_monitored(pool: Pool) -> bool:
    monitor = pool.health_monitor
    return monitor is not None and monitor.provisioning_status != Provisioning.PENDING_DELETE


class MemberCollection(Reader):
    """``/pools/{pool_id}/members``."""

    view = MEMBERS

    def on_get(self, req: falcon.Request, resp: falcon.Response, pool_id: str) -> None:
        """List."""
        pool_id = POOLS.identify(pool_id)
        with self.api.store.look() as connection:
            project_id = POOLS.project(connection, pool_id)
        self.list(req, resp, Member.pool_id == pool_id, project_id=project_id)

    def on_post(self, req: falcon.Request, resp: falcon.Response, pool_id: str) -> None:
        """Create."""
        pool_id, context = POOLS.identify(pool_id), context_of(req)
        wanted = self.api.parse(req, "member_", "member", MemberPost)
        check_outside_below(self.api, context, rule(MEMBERS, "post"), self._load_balancer_of(pool_id), [wanted])

        def work(session: Session) -> Document:
            change, pool = begin_at(self.api, session, context, rule(MEMBERS, "post"), POOLS, Pool, pool_id)
            member = create(change, pool, wanted, _in_the_way(session, pool, wanted))
            change.touch_users(pool)
            session.flush()
            return MEMBERS.show(session, member.id)

        self.respond(resp, self.api.write(work), falcon.HTTP_201)

    def on_put(self, req: falcon.Request, resp: falcon.Response, pool_id: str) -> None:
        """Make these the members of the pool, or with ``additive_only`` see that these are among them."""
        pool_id, context = POOLS.identify(pool_id), context_of(req)
        additive = boolean(str(req.params.get("additive_only", ""))) or False
        wanted = body.parse_list(req, self.api.body_limit, "members_", "members", MemberInBatch)
        check_outside_below(self.api, context, rule(MEMBERS, "put"), self._load_balancer_of(pool_id), wanted)

        def work(session: Session) -> None:
            change, pool = begin_at(self.api, session, context, rule(MEMBERS, "put"), POOLS, Pool, pool_id)
            for action in ("post",) if additive else ("post", "delete"):
                authorize(context, rule(MEMBERS, action), pool.project_id)
            if not _replace(change, pool, wanted, additive):
                raise _NothingToDo
            change.touch_users(pool)

        with contextlib.suppress(_NothingToDo):
            self.api.write(work)
        resp.status = falcon.HTTP_202

    def _load_balancer_of(self, pool_id: str) -> str | None:
        with self.api.store.read() as session:
            return session.scalar(select(Pool.load_balancer_id).where(Pool.id == pool_id))


class _NothingToDo(Exception):
    """All is as asked: the transaction is rolled back, so that the load balancer is not reported PENDING_UPDATE."""


def _replace(change: Change, pool: Pool, wanted: list[MemberInBatch], additive: bool) -> bool:
    """Returns whether anything changes."""
    taken = {_key(member): member for member in pool.members}
    old = {key: row for key, row in taken.items() if row.provisioning_status != Provisioning.PENDING_DELETE}
    tags = tags_of(change.session, [member.id for member in old.values()])
    named = _named_once(wanted, old)
    gone = [] if additive else [member for key, member in old.items() if key not in named]
    changed = bool(gone)
    for key, each in named.items():
        if key not in old:
            create(change, pool, each, taken)
            changed = True
        else:
            changed = _refresh(change, old[key], each, tags.get(old[key].id, [])) or changed
    mark_deleted(change.load_balancer, *gone)
    limits.grow(change.session, pool.project_id, Member, -len(gone))
    return changed


def _named_once(wanted: list[MemberInBatch], old: dict[Key, Member]) -> dict[Key, MemberInBatch]:
    named: dict[Key, MemberInBatch] = {}
    for each in wanted:
        if _key(each) in named:
            text = f"Member {each.address} on protocol_port {each.protocol_port} is named more than once in the request"
            raise errors.validation(text) if _key(each) in old else errors.conflict(text)
        named[_key(each)] = each
    return named


def _refresh(change: Change, member: Member, wanted: MemberInBatch, old_tags: list[str]) -> bool:
    change.check_project(wanted.project_id)
    if wanted.request_sriov and member.vnic_type != _vnic_type(change, wanted):
        raise errors.validation(f"request_sriov of member {member.id} cannot change once it is made.")
    asked = {name: value for name in _COLUMNS if (value := getattr(wanted, name)) is not UNSET}
    asked.pop("address", None)  # It is the same, however it is written now.
    values: dict[str, Any] = {name: value for name, value in asked.items() if getattr(member, name) != value}
    if wanted.tags is not UNSET and set(wanted.tags) != set(old_tags):
        values["tags"] = wanted.tags
    if values:
        change.update(member, values)
    return bool(values)


class MemberItem(Item):
    """``/pools/{pool_id}/members/{member_id}``."""

    view = MEMBERS

    def on_get(self, req: falcon.Request, resp: falcon.Response, pool_id: str, member_id: str) -> None:
        """Show."""
        self.identify_below(Member.pool_id, POOLS, pool_id, member_id)
        self.show(req, resp, member_id)

    def on_put(self, req: falcon.Request, resp: falcon.Response, pool_id: str, member_id: str) -> None:
        """Change."""
        member_id = self.identify_below(Member.pool_id, POOLS, pool_id, member_id)
        values = changes(self.api.parse(req, "member_", "member", MemberPut), MemberPost, {})
        _check_reserved(_reserved(self.api), "member monitor_address", values.get("monitor_address"))

        def work(change: Change, member: Member) -> None:
            change.update(member, dict(values))
            change.touch_users(member.pool)

        self.alter(req, resp, member_id, work)

    def on_delete(self, req: falcon.Request, resp: falcon.Response, pool_id: str, member_id: str) -> None:
        """Delete."""
        self.remove(req, resp, self.identify_below(Member.pool_id, POOLS, pool_id, member_id), _delete)


def _delete(change: Change, member: Member) -> None:
    mark_deleted(change.load_balancer, member)
    change.touch_users(member.pool)
