"""What an operator sees: exit status, and one sentence on stderr."""

import subprocess
import sys

import pytest

from lictor.cli.main import main


def lictor(*words):
    command = [sys.executable, "-c", "import sys; from lictor.cli.main import main; sys.exit(main())", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[api_settings]\nbind_port = banana\n", "bind_port"),
        ("[api_settings]\nauth_strategy = magic\n", "auth_strategy"),
        ("[controller_worker]\nworkers = 0\n", "workers"),
        ("no section\n", "no section"),
    ],
)
def test_a_wrong_option_in_a_file_is_named_in_one_line(tmp_path, capsys, text, words):
    (tmp_path / "lictor.conf").write_text(text)
    assert main(["status", "--config-file", str(tmp_path / "lictor.conf"), "--state-dir", str(tmp_path / "s")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("lictor: ")
    assert words in error
    assert error.count("\n") == 1


def test_a_configuration_file_that_is_not_there_is_named(tmp_path, capsys):
    assert main(["status", "--config-file", str(tmp_path / "nowhere.conf")]) == 2
    assert "nowhere.conf" in capsys.readouterr().err


def test_a_port_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["up", "--port", "99999"])
    assert ended.value.code == 2
    assert "'99999' is no TCP port" in capsys.readouterr().err


def test_status_of_nothing_says_so_and_creates_nothing(tmp_path):
    result = lictor("status", "--state-dir", tmp_path / "state")
    assert (result.returncode, result.stderr) == (3, "")
    assert result.stdout == f"not running (state directory {tmp_path / 'state'})\n"
    assert not (tmp_path / "state").exists()


def test_db_upgrade_makes_the_schema_and_current_names_it(tmp_path):
    assert lictor("db", "current", "--state-dir", tmp_path / "state").stdout == "none\n"
    url = f"[database]\nconnection = sqlite:///{tmp_path}/test.db\n"
    (tmp_path / "lictor.conf").write_text(url)
    upgraded = lictor("db", "upgrade", "--config-file", tmp_path / "lictor.conf")
    assert upgraded.returncode == 0, upgraded.stderr
    current = lictor("db", "current", "--config-file", tmp_path / "lictor.conf")
    assert current.stdout == upgraded.stdout != ""


def test_a_database_that_is_none_is_named_in_one_line(tmp_path):
    (tmp_path / "test.db").write_text("this is not a database, however long one looks at it" * 100)
    (tmp_path / "lictor.conf").write_text(f"[database]\nconnection = sqlite:///{tmp_path}/test.db\n")
    result = lictor("db", "upgrade", "--config-file", tmp_path / "lictor.conf")
    assert result.returncode == 1
    assert (
        result.stderr == f"lictor: the database sqlite:///{tmp_path}/test.db cannot be used: file is not a database\n"
    )
