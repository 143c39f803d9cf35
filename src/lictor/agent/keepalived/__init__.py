"""Sharing VIPs with another amphora: keepalived, and what it is told of this one's HAProxy."""
