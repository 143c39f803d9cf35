"""The command line: options, and which module does what."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from oslo_config import cfg

import lictor
from lictor import config
from lictor.cli import imaging
from lictor.cli import rolling as roll
from lictor.cli.refusal import Refusal
from lictor.config.opts import DEFAULT_STATE_DIR

HOUSES = {
    "api": "the API",
    "worker": "workers",
    "health": "a health manager",
    "housekeeping": "housekeeping",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 1 this place does not fit, 2 wrong options."""
    args = parser().parse_args(argv)
    try:
        return int(command(args.module).run(args, configuration(args)))
    except Refusal as refusal:
        print(f"lictor: {refusal}", file=sys.stderr)
        return refusal.status
    except BrokenPipeError:  # `lictor status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def command(name: str) -> ModuleType:
    """The module of one command, loaded only now: `lictor status` should not wait for what `lictor up` needs."""
    return importlib.import_module(f"lictor.cli.{name}")


def parser() -> argparse.ArgumentParser:
    """Every command and option."""
    top = argparse.ArgumentParser(prog="lictor", description="Load balancers as a service, for operators.")
    top.add_argument("--version", action="version", version=f"lictor {lictor.__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _up(commands)
    _apart(commands)
    command = _command(commands, "down", "stop a running lictor up")
    command.add_argument("--purge", action="store_true", help="also remove all load balancers and the state directory")
    command = _command(commands, "status", "is it up, and how are its load balancers")
    command = _command(commands, "db", "the database's schema")
    command.add_argument("action", choices=["upgrade", "current"], help="bring it up to date, or print its revision")
    command = _command(commands, "ca", "the certificate authorities between control plane and amphorae")
    command.add_argument(
        "action",
        choices=["create", "status", "roll", "retire"],
        help="make the first one, how it stands, begin or go on with a change, drop the old",
    )
    command.add_argument("--wait", action="store_true", help="with roll: go on until the old one is dropped")
    command.add_argument("--force", action="store_true", help="with retire: replace amphorae that still depend on it")
    roll.options(_command(commands, "roll", "put new amphorae in the place of old ones, some at a time"))
    _config(commands)
    about = "makes amphora images, and says what is in them"
    imaging.options(commands.add_parser("image", help=about, description=about.capitalize() + "."))
    return top


def _up(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = _command(commands, "up", "start everything in this process, in the foreground")
    _of_the_api(command)
    _serves(command)


def _serves(command: argparse.ArgumentParser) -> None:
    command.add_argument("--metrics-bind", metavar="ADDRESS:PORT", help="of probes and metrics, or none")


def _of_the_api(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=_port, help="TCP port of the API (default: 9876)")
    command.add_argument(
        "--auth", choices=["http_basic", "keystone", "noauth"], help="who callers are (default: http_basic)"
    )


def _apart(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Parts of `lictor up` as processes of their own."""
    for house, about in HOUSES.items():
        command = _command(commands, house, f"start {about} in this process, in the foreground; there may be many")
        command.set_defaults(module="apart", house=house)
        _serves(command)
        if house == "api":
            _of_the_api(command)
        elif house == "health":
            command.add_argument("--port", dest="health_port", type=_port, help="UDP port (default: 5555)")


def _config(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """These read the files that they are given, and are not configured by any."""
    about = "configuration files, Octavia's or Lictor's"
    actions = commands.add_parser("config", help=about, description=about.capitalize() + ".").add_subparsers(
        required=True, metavar="ACTION"
    )
    check = _unconfigured(actions, "check", "checking", "say line by line what is used, renamed, wrong or unknown")
    check.add_argument("files", metavar="FILE", nargs="+", help="for example /etc/octavia/octavia.conf")
    sample = _unconfigured(actions, "sample", "sampling", "print all options, commented out, with what they are for")
    sample.add_argument("--policy", action="store_true", help="print the rules of policy.yaml instead")


def _unconfigured(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, module: str, about: str
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=about, description=about.capitalize() + ".")
    action.set_defaults(module=module, state_dir=None, config_file=[], debug=False)
    return action


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, about: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=about, description=about.capitalize() + ".")
    command.add_argument("--state-dir", metavar="DIR", help=f"default: {DEFAULT_STATE_DIR}")
    command.add_argument("--config-file", metavar="FILE", action="append", default=[], help="may be given repeatedly")
    command.add_argument("--debug", action="store_true", help="say more in the log")
    command.set_defaults(module=name)
    return command


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no TCP port: give a number from 1 to 65535")
    return int(text)


def configuration(args: argparse.Namespace) -> cfg.ConfigOpts:
    """The options of the files named, and above them those of the command line. Raises ``Refusal``, status 2."""
    given = {
        "lictor__state_dir": args.state_dir,
        "lictor__metrics_bind": getattr(args, "metrics_bind", None),
        "api_settings__bind_port": getattr(args, "port", None),
        "api_settings__auth_strategy": getattr(args, "auth", None),
        "health_manager__bind_port": getattr(args, "health_port", None),
    }
    try:
        conf = config.load(args.config_file, **{name: value for name, value in given.items() if value is not None})
    except (cfg.Error, ValueError) as error:
        raise Refusal(" ".join(str(error).split()), status=2) from None
    if args.debug:
        conf.set_override("debug", True)
    return conf


if __name__ == "__main__":
    sys.exit(main())
