"""Asks a URL ten times a second until standard input ends; prints the longest time without an answer, and how many."""

import http.client
import select
import sys
import time
import urllib.parse

URL = urllib.parse.urlsplit(sys.argv[1])


def answered():
    connection = http.client.HTTPConnection(URL.hostname, URL.port or 80, timeout=1)
    try:
        connection.request("GET", URL.path or "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


last, longest, count = time.monotonic(), 0.0, 0
while not select.select([sys.stdin], [], [], 0.1)[0]:
    if answered():
        now = time.monotonic()
        longest, last, count = max(longest, now - last), now, count + 1
print(max(longest, time.monotonic() - last), count)
