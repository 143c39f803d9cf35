"""Logs that leave the amphora: HAProxy and the agent give lines, syslog servers get them, and nobody waits."""
