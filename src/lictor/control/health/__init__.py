"""The health manager: from datagrams to operating statuses and statistics, and who is silent."""
