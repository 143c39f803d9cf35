"""HAProxy as the agent sees it: a process to keep, a socket to talk to, and figures to report."""
