"""Fail-over by an administrator: amphorae are condemned here, and the loop replaces them (reference, 1.6 and 1.14)."""

import falcon
from sqlalchemy.orm import Session

from lictor.api.auth.context import context_of
from lictor.api.resource import Change, Reader, begin_itself, rule
from lictor.api.views import LOAD_BALANCERS
from lictor.model import Amphora, history, replacement
from lictor.model.changes import EXPENDABLE


def condemn(change: Change, amphora_id: str | None = None) -> None:
    """Have the loop replace one amphora of a load balancer, or all: first there is a new one, then the old one goes."""
    mine = Amphora.load_balancer_id == change.load_balancer.id
    what = f"amphora {amphora_id}" if amphora_id else "all amphorae"
    message = f"An administrator asked for a fail-over of {what}."
    chosen = mine if amphora_id is None else mine & (Amphora.id == amphora_id)
    replacement.mark(change.session, chosen, replacement.OPERATOR, message)
    history.record(change.session, change.load_balancer, "failover_requested", message, amphora_id=amphora_id)


class LoadBalancerFailover(Reader):
    """``/loadbalancers/{load_balancer_id}/failover``."""

    view = LOAD_BALANCERS

    def on_put(self, req: falcon.Request, resp: falcon.Response, load_balancer_id: str) -> None:
        """Replace every amphora; the load balancer is PENDING_UPDATE until that is done."""
        load_balancer_id, context = LOAD_BALANCERS.identify(load_balancer_id), context_of(req)

        def work(session: Session) -> None:
            allowed = rule(LOAD_BALANCERS, "put_failover")
            condemn(begin_itself(self.api, session, context, allowed, load_balancer_id, EXPENDABLE))

        self.api.write(work)
        resp.status = falcon.HTTP_202
