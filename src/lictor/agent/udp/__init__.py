"""UDP and SCTP listeners: rules, checks and figures of what the kernel's NAT hands on to members."""
