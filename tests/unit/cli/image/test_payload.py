"""The agent in an image, and the index that its libraries come from: the one that was named, and no other."""

import subprocess
import sys

import pytest

from lictor.cli.image import payload
from lictor.cli.image.mirrors import Mirrors
from lictor.cli.refusal import Refusal
from tests.unit.cli.image.servers import index, server, wheel


def mirrors(url, *hosts):
    return Mirrors((), f"{url}/simple", hosts)


def test_only_the_index_named_is_asked_whatever_pip_is_configured_to(tmp_path, monkeypatch):
    newer = dict([wheel("99.0")])
    with server(index(dict([wheel("1.0")]))) as named, server(index(newer)) as other, server(index(newer)) as third:
        configuration = tmp_path / "pip.conf"
        configuration.write_text(f"[global]\nindex-url = {other.url}/simple\nextra-index-url = {third.url}/simple\n")
        monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{third.url}/simple")
        monkeypatch.setenv("PIP_INDEX_URL", f"{other.url}/simple")
        found = payload.put(tmp_path / "agent", "3.11", mirrors(named.url))
        assert found == {"msgspec": "1.0"}
        assert (other.asked, third.asked) == ([], [])
    assert (tmp_path / "agent" / "msgspec" / "__init__.py").read_text() == "__version__ = '1.0'\n"


def test_an_index_that_has_its_files_elsewhere_is_refused_unless_that_host_is_allowed(tmp_path):
    files = dict([wheel("1.0")])
    with server(index(files)) as other, server(index(files, f"{other.url}/files")) as named:
        with pytest.raises(Refusal, match=f"sends to {other.host} .* --pip-host {other.host}"):
            payload.put(tmp_path / "a", "3.11", mirrors(named.url))
        assert payload.put(tmp_path / "b", "3.11", mirrors(named.url, other.host)) == {"msgspec": "1.0"}


def test_an_index_without_the_library_is_named_in_one_sentence(tmp_path):
    with server({}) as empty, pytest.raises(Refusal, match=r"pip could not get msgspec for Python 3\.13") as refused:
        payload.put(tmp_path / "agent", "3.13", mirrors(empty.url))
    assert "\n" not in str(refused.value)


def test_the_agent_in_the_image_starts_without_the_rest_of_lictor(tmp_path):
    with server(index(dict([wheel("1.0")]))) as named:
        payload.put(tmp_path / "agent", "3.11", mirrors(named.url))
    modules = {file.name for file in (tmp_path / "agent" / "lictor").iterdir()}
    assert modules == {"__init__.py", "wire.py", "agent"}
    # The wheel of the test is an empty one: this Python's own msgspec stands in for it.
    place = payload.importlib.metadata.distribution("msgspec").locate_file("")
    script = "import sys; sys.path.append(sys.argv[1]); import lictor.agent.firstboot, lictor.agent.main"
    script += "; print([name for name in sys.modules if name.startswith('lictor.') and name.split('.')[1] not in "
    script += "('agent', 'wire')])"
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", f"import sys; sys.path.insert(0, sys.argv[1]); import msgspec; {script}",
         str(place)], env={"PYTHONPATH": str(tmp_path / "agent")}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "[]\n", done.stderr


def test_another_byte_in_an_element_is_another_digest(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "unit").write_text("one")
    before = payload.elements_digest(tmp_path)
    assert payload.elements_digest(tmp_path) == before
    (tmp_path / "a" / "unit").write_text("two")
    assert payload.elements_digest(tmp_path) != before


def test_another_byte_in_the_agent_is_another_digest(tmp_path):
    with server(index(dict([wheel("1.0")]))) as named:
        for name in ("a", "b"):
            payload.put(tmp_path / name, "3.11", mirrors(named.url))
    assert payload.digest(tmp_path / "a") == payload.digest(tmp_path / "b")
    with (tmp_path / "b" / "lictor" / "wire.py").open("a") as file:
        file.write("\n")
    assert payload.digest(tmp_path / "a") != payload.digest(tmp_path / "b")
