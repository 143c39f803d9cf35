"""Lictor's elements: what diskimage-builder and the kernel would otherwise complain of only during a build."""

import json
import os
import pathlib
import subprocess

import pytest

from lictor.cli.image.bases import BASES
from lictor.cli.image.disk import ROOT_LABEL
from lictor.cli.image.tree import parse_settings

ELEMENTS = pathlib.Path(__file__).parents[4] / "image" / "elements"
OVERLAY = ELEMENTS / "lictor-amphora" / "overlay"
HOOKS = sorted(file for file in ELEMENTS.glob("*/*.d/*") if file.parent.name != "environment.d")
SETTINGS = OVERLAY / "etc/sysctl.d/60-lictor.conf"


@pytest.mark.parametrize("hook", HOOKS, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_hook_is_a_program_that_stops_at_its_first_failure(hook):
    assert os.access(hook, os.X_OK)
    text = hook.read_text()
    assert text.startswith("#!/bin/bash\n# ")
    assert "set -euo pipefail" in text
    assert subprocess.run(["bash", "-n", str(hook)], check=False).returncode == 0


def test_every_kernel_setting_has_its_reason():
    reason = ""
    for line in SETTINGS.read_text().splitlines():
        if line.startswith("#"):
            reason = line
        elif not line:
            reason = ""
        else:
            assert reason, f"{line} has no reason above it"


def test_no_setting_is_there_twice():
    text = SETTINGS.read_text()
    assert len(parse_settings(text)) == sum(1 for line in text.splitlines() if line and not line.startswith("#"))


def test_every_package_that_is_wanted_has_a_name_in_every_family():
    text = (ELEMENTS / "lictor-amphora/package-installs.yaml").read_text()
    wanted = {line.rstrip(":") for line in text.splitlines() if line and line[0] not in " #"}
    names = json.loads((ELEMENTS / "lictor-amphora/pkg-map").read_text())
    for distro, family in (("debian", "debian"), ("ubuntu", "debian"), ("centos", "redhat"), ("rocky", "redhat")):
        known = names["default"] | names["family"][family] | names["distro"].get(distro, {})
        assert wanted <= known.keys(), distro


def test_lictors_own_base_elements_exist():
    assert (ELEMENTS / BASES["debian"].element / "element-provides").read_text() == "operating-system\n"


def test_the_units_are_what_systemd_understands(tmp_path):
    units = sorted((OVERLAY / "etc/systemd/system").glob("*.service"))
    assert [file.name for file in units] == ["lictor-agent.service"]
    words = units[0].read_text()
    assert "ExecStart=/opt/lictor-agent/python -S -P -m lictor.agent.firstboot\n" in words
    assert "KillMode=process\n" in words


def test_the_root_file_system_is_read_only_and_what_must_be_written_is_in_memory():
    (line,) = (line for line in (OVERLAY / "etc/fstab.lictor").read_text().splitlines() if not line.startswith("#"))
    device, place, kind, options, *_ = line.split()
    assert (device, place, kind, "ro" in options.split(",")) == (f"LABEL={ROOT_LABEL}", "/", "ext4", True)
    units = sorted((OVERLAY / "etc/systemd/system").glob("*.mount"))
    assert [unit.name for unit in units] == ["tmp.mount", "var-log.mount"]
    assert all("\nType=tmpfs\n" in unit.read_text() for unit in units)
    assert "\nln -s /tmp /var/tmp\n" in (ELEMENTS / "lictor-amphora/finalise.d/99-lictor-slim").read_text()


def test_the_initrd_finds_the_file_system_that_the_disk_has():
    words = (OVERLAY / "etc/initramfs-tools/lictor-init").read_text()
    assert f"\nlabel={ROOT_LABEL}\n" in words
    assert subprocess.run(["sh", "-n"], input=words, text=True, check=False).returncode == 0
