"""`lictor config sample`: a configuration file and a policy file to begin with, made from the code.

As the field's own tools print them (`oslo-config-generator`, `oslopolicy-sample-generator`), which need not be on the
PATH where Lictor has an environment of its own.
"""

import argparse
import warnings

from oslo_config import cfg, generator
from oslo_policy import generator as policy_generator

NAMESPACE = ["--namespace", "lictor"]
"""Of the entry points by which these tools find options and rules."""


def run(args: argparse.Namespace, _conf: cfg.ConfigOpts) -> int:
    """Print every option, or every rule of the API's policy, commented out and with its default."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of what libraries of libraries import.
        if args.policy:
            policy_generator.generate_sample(NAMESPACE)
        else:
            generator.main(NAMESPACE)
    return 0
