"""What a server is made from: the image, the server group of a pair."""

from typing import Any

from lictor.drivers.compute.base import Boot, ComputeError
from lictor.drivers.compute.nova.words import asked


def newest_image(images: Any, tag: str, owner: str) -> str:
    """The id of the newest image with a tag; of this owner, unless that is empty. Raises ``ComputeError``."""
    found = find_image(images, tag, owner)
    if found is None:
        whose = f" of project {owner}" if owner else ""
        raise ComputeError(f"Glance has no active image{whose} with the tag {tag!r}: upload one, and give it this tag.")
    return found


def find_image(images: Any, tag: str, owner: str) -> str | None:
    """The same; None if there is none. Raises ``ComputeError`` if Glance cannot be asked."""
    wanted = {"tag": tag, "status": "active", "sort": "created_at:desc"} | ({"owner": owner} if owner else {})
    with asked("list images", "Glance"):
        found = next(iter(images.images(**wanted)), None)
    return str(found.id) if found else None


def group_name(load_balancer_id: str) -> str:
    """The name of the server group of a load balancer's amphorae."""
    return f"octavia-lb-{load_balancer_id}"


def server_group(compute: Any, boot: Boot) -> str:
    """The id of the group that keeps the amphorae of a load balancer apart, made if it is missing; empty if none is
    to. Several of one name are one too many: the first is everybody's.
    """
    if not boot.anti_affinity:
        return ""
    found = groups(compute, boot.load_balancer_id)
    if found:
        return str(found[0].id)
    with asked("make a server group"):
        made = compute.create_server_group(name=group_name(boot.load_balancer_id), policy=boot.anti_affinity)
    return str(made.id)


def groups(compute: Any, load_balancer_id: str) -> list[Any]:
    """The server groups of a load balancer, in a fixed order."""
    name = group_name(load_balancer_id)
    with asked("list server groups"):
        return sorted((each for each in compute.server_groups() if each.name == name), key=lambda each: str(each.id))
