"""Where log lines go and what they look like."""

from oslo_config import cfg
from oslo_log import log

import lictor

_START = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s "


def start_logging(conf: cfg.ConfigOpts) -> None:
    """To stderr, unless ``[DEFAULT] log_file`` or its like say otherwise."""
    conf.set_default("use_stderr", not (conf.log_file or conf.log_dir or conf.use_syslog or conf.use_journal))
    conf.set_default("logging_default_format_string", _START + "%(message)s")
    conf.set_default("logging_context_format_string", _START + "[%(request_id)s %(resource_uuid)s] %(message)s")
    conf.set_default("default_log_levels", ["alembic=WARN", "stevedore=ERROR", "sqlalchemy=WARN", "pyroute2=WARN"])
    log.setup(conf, "lictor", lictor.__version__)
