"""The embedded compute driver: an amphora is a set of Linux namespaces on this host.

    this host                        amphora: /run/netns/lictor-<tag>-<amphora id>
    licm<tag> (management bridge) ── eth0: the agent's address          pid 1: `sh`, which starts the agent again
    licp<tag> (private bridge) ───── NICs of VIPs and members, which      and again, and reaps orphans; its own
                                     the agent moves one namespace in     mounts, a tmpfs on /run

``names`` says what things are called, ``host`` checks that this host can do it, ``bridges`` and ``links`` speak with
the kernel, ``boot`` starts process 1, ``processes`` finds and ends it, ``driver`` puts these together.
"""

from lictor.drivers.compute.netns.driver import NetnsCompute

__all__ = ["NetnsCompute"]
