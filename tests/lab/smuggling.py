"""Requests that two parsers could read in two ways, each as the bytes that a client sends on one connection.

In each, ``/first`` is asked for by the letter of RFC 9112, and ``/second`` only if somebody reads it otherwise.
"""

SECOND = b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n"


def request(*lines: bytes, method: bytes = b"POST", body: bytes = b"", end: bytes = b"\r\n") -> bytes:
    """A request for /first."""
    return end.join([method + b" /first HTTP/1.1", b"Host: a", *lines, b"", b""]) + body


def chunked(*lines: bytes) -> bytes:
    """A request whose body holds an empty chunk and the second request; a coding in the lines makes it end between."""
    return request(*lines, LENGTH, body=b"0\r\n\r\n" + SECOND)


def hidden(*lines: bytes) -> bytes:
    """A request whose body is the second one, as long as its reader takes the length for it."""
    return request(*lines, b"Content-Length: %d" % len(SECOND), body=SECOND)


LENGTH = b"Content-Length: %d" % (5 + len(SECOND))
CHUNKED = b"Transfer-Encoding: chunked"
ALL = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SECOND), SECOND)

CORPUS = {
    # Both a length and a coding.
    "CL.TE": request(b"Content-Length: 6", CHUNKED, body=b"0\r\n\r\nG"),
    "TE.CL": request(b"Content-Length: 4", CHUNKED, body=ALL),
    "TE.CL, coding first": request(CHUNKED, b"Content-Length: 4", body=ALL),
    # A coding that some do not see as one.
    "TE.TE, unknown after": request(CHUNKED, b"Transfer-Encoding: x", b"Content-Length: 4", body=ALL),
    "TE.TE, unknown before": request(b"Transfer-Encoding: x", CHUNKED, b"Content-Length: 4", body=ALL),
    "TE with a space before the colon": chunked(b"Transfer-Encoding : chunked"),
    "TE with a tab before its value": request(b"Transfer-Encoding:\tchunked", b"Content-Length: 4", body=ALL),
    "TE with a vertical tab": chunked(b"Transfer-Encoding:\x0bchunked"),
    "TE xchunked": chunked(b"Transfer-Encoding: xchunked"),
    "TE chunked, identity": chunked(b"Transfer-Encoding: chunked, identity"),
    "TE in quotes": chunked(b'Transfer-Encoding: "chunked"'),
    "TE with NUL": chunked(b"Transfer-Encoding: chunked\0"),
    "TE with CR": chunked(b"X: y\rTransfer-Encoding: chunked"),
    "TE on a line that begins with a space": chunked(b" Transfer-Encoding: chunked"),
    "TE folded": chunked(b"Transfer-Encoding:\r\n chunked"),
    "TE after a folded field": request(b"X: y\r\n z", CHUNKED, b"Content-Length: 4", body=ALL),
    "TE in HTTP/1.0": b"POST /first HTTP/1.0\r\nHost: a\r\n%s\r\nContent-Length: 4\r\n\r\n%s" % (CHUNKED, ALL),
    "TE with an underscore": chunked(b"Transfer_Encoding: chunked"),
    # Lengths that some read otherwise.
    "CL twice, different": request(b"Content-Length: 0", b"Content-Length: %d" % len(SECOND), body=SECOND),
    "CL as a list": request(b"Content-Length: 0, %d" % len(SECOND), body=SECOND),
    "CL with a plus": request(b"Content-Length: +%d" % len(SECOND), body=SECOND),
    "CL in hexadecimal": request(b"Content-Length: 0x%x" % len(SECOND), body=SECOND),
    "CL negative": request(b"Content-Length: -1", body=SECOND),
    "CL with a space inside": request(b"Content-Length: 0 %d" % len(SECOND), body=SECOND),
    "CL empty": request(b"Content-Length: ", body=SECOND),
    "CL too large": request(b"Content-Length: 99999999999999999999", body=SECOND),
    "CL with a space before the colon": request(b"Content-Length : %d" % len(SECOND), body=SECOND),
    "NUL in a value": request(b"X: \0", b"Content-Length: %d" % len(SECOND), body=SECOND),
    "CL of GET": request(b"Content-Length: %d" % len(SECOND), method=b"GET", body=SECOND),
    # Chunks that some read otherwise.
    "chunk size with 0x": request(CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n" + SECOND),
    "chunk size negative": request(CHUNKED, body=b"-5\r\nhello\r\n0\r\n\r\n" + SECOND),
    "chunk size too large": request(CHUNKED, body=b"10000000000000005\r\nhello\r\n0\r\n\r\n" + SECOND),
    "chunk size with a space before": request(CHUNKED, body=b" 5\r\nhello\r\n0\r\n\r\n" + SECOND),
    "chunk size with an underscore": request(CHUNKED, body=b"1_0\r\nhello\r\n0\r\n\r\n" + SECOND),
    "chunk size empty": request(CHUNKED, body=b"\r\n\r\n" + SECOND),
    "chunk longer than it says": request(CHUNKED, body=b"5\r\nhelloXX0\r\n\r\n" + SECOND),
    "chunk extension with LF": request(CHUNKED, body=b"5;a\nb\r\nhello\r\n0\r\n\r\n" + SECOND),
    "chunk ended by LF": request(CHUNKED, body=b"5\nhello\n0\n\n" + SECOND),
    "chunk ended by CR": request(CHUNKED, body=b"5\rhello\r0\r\r" + SECOND),
    # Lines that some end elsewhere.
    "bare LF": request(b"Content-Length: 4", CHUNKED, body=ALL, end=b"\n"),
    "bare LF before a field": chunked(b"X: y\nTransfer-Encoding: chunked"),
    "bare CR": b"POST /first HTTP/1.1\rHost: a\r\r" + SECOND,
    "CR CR LF": request(b"X: y\r", CHUNKED, b"Content-Length: 4", body=ALL),
    "header without a colon": request(b"X", CHUNKED, b"Content-Length: 4", body=ALL),
    "header without a name": request(b": y", b"Content-Length: %d" % len(SECOND), body=SECOND),
    "header name with a space": request(b"Content Length: 0", b"Content-Length: %d" % len(SECOND), body=SECOND),
    # Request lines that some read otherwise.
    "absolute form": b"GET http://a/second HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form of another host": b"GET http://b/second HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute form with a name and password": b"GET http://a@b/second HTTP/1.1\r\nHost: b\r\n\r\n",
    "a space in the target": b"GET /first /second HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tab between words": b"GET\t/first\tHTTP/1.1\r\nHost: a\r\n\r\n",
    "NUL in the target": b"GET /first\0/second HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment in the target": b"GET /first#/second HTTP/1.1\r\nHost: a\r\n\r\n",
    "two hosts": request(b"Host: b", method=b"GET"),
    "HTTP/0.9": b"GET /first\r\n" + SECOND,
    "HTTP/1.2": b"GET /first HTTP/1.2\r\nHost: a\r\n\r\n",
    "HTTP/3.7": b"GET /first HTTP/3.7\r\nHost: a\r\n\r\n",
    "CONNECT with a body": b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: %d\r\n\r\n%s"
    % (len(SECOND), SECOND),
    "an upgrade that nobody takes": hidden(b"Connection: Upgrade", b"Upgrade: websocket"),
    "HTTP/2 by upgrade": hidden(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
    "a length that a hop may drop": hidden(b"Connection: close, Content-Length"),
    "Expect": hidden(b"Expect: 100-continue"),
}
