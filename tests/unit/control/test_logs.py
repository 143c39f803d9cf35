"""What the operator's options make of an amphora's logs."""

import pathlib

import pytest

from lictor import config, wire
from lictor.control import logs


def wanted(directory: pathlib.Path, text: str) -> wire.Logs:
    (directory / "lictor.conf").write_text(text)
    return logs.wanted(config.load([str(directory / "lictor.conf")]))


def test_by_default_nothing_leaves_an_amphora(tmp_path: pathlib.Path) -> None:
    assert wanted(tmp_path, "") == wire.Logs()


def test_options_have_octavias_names_and_defaults(tmp_path: pathlib.Path) -> None:
    targets = "tenant_log_targets = 192.0.2.1:10514, 2001:db8:1::10:10514\nadmin_log_targets = [2001:db8::1]:514\n"
    found = wanted(tmp_path, f"[amphora_agent]\n{targets}")
    both = ["192.0.2.1:10514", "2001:db8:1::10:10514"]
    given = {"protocol": "UDP", "retry_count": 5, "retry_interval": 2.0, "queue_size": 10000}
    assert found.flow == wire.LogTarget(addresses=both, facility=0, **given)
    assert found.administrative == wire.LogTarget(addresses=["[2001:db8::1]:514"], facility=1, **given)
    assert found.local


@pytest.mark.parametrize("place", ["here:514", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x"])
def test_a_target_that_is_none_is_named(tmp_path: pathlib.Path, place: str) -> None:
    with pytest.raises(ValueError, match=r"tenant_log_targets .* is not valid"):
        wanted(tmp_path, f"[amphora_agent]\ntenant_log_targets = {place}\n")


def test_the_off_switch_is_for_connections_only(tmp_path: pathlib.Path) -> None:
    targets = "tenant_log_targets = 192.0.2.1:1\nadmin_log_targets = 192.0.2.1:2\ndisable_local_log_storage = true\n"
    found = wanted(tmp_path, f"[amphora_agent]\n{targets}[haproxy_amphora]\nconnection_logging = false\n")
    assert found.flow is None and found.administrative is not None and not found.local
