"""``nova-compute`` with this folder's hypervisor: Nova loads drivers from its own package ``nova.virt`` alone."""

import pathlib
import sys

import nova.cmd.compute  # first of all: it decides how Nova runs threads
import nova.virt

nova.virt.__path__.append(str(pathlib.Path(__file__).parent))

if __name__ == "__main__":
    sys.exit(nova.cmd.compute.main())
