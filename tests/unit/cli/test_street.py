"""What is put together, and what is refused with a sentence before anything runs."""

import pytest

from lictor import config
from lictor.cli.refusal import Refusal
from lictor.cli.street import Street
from lictor.model.store import Store


def test_notifications_that_cannot_be_sent_are_refused_before_anything_runs(tmp_path):
    (tmp_path / "lictor.conf").write_text("[oslo_messaging_notifications]\ndriver = messagingv2\n")
    conf = config.load([str(tmp_path / "lictor.conf")], lictor__state_dir=str(tmp_path))
    street = Street(conf, None, Store(config.database_url(conf)), lambda: None)
    with pytest.raises(Refusal, match="driver is 'messagingv2', which needs a message bus: give transport_url") as told:
        _ = street.notices
    assert told.value.status == 2
