"""Mirrors on the loopback interface, which remember what they were asked for."""

import base64
import contextlib
import hashlib
import http.server
import io
import threading
import zipfile


@contextlib.contextmanager
def server(pages):
    """Serve ``{path: bytes}``; the object has ``url``, ``host`` and the list ``asked``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = pages.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        http_server.host = f"127.0.0.1:{http_server.server_port}"
        http_server.url = f"http://{http_server.host}"
        http_server.asked = asked
        yield http_server
        http_server.shutdown()


def wheel(version):
    """A wheel of something that calls itself msgspec and does nothing, and its file name."""
    info = f"msgspec-{version}.dist-info"
    files = {
        "msgspec/__init__.py": f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: msgspec\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(text)}\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(name, text)
    return f"msgspec-{version}-py3-none-any.whl", content.getvalue()


def index(files, at="/files"):
    """The pages of a package index (PEP 503) that has these wheels, or says that they are ``at`` another place."""
    links = "".join(f'<a href="{at}/{name}">{name}</a>\n' for name in files)
    pages = {"/simple/msgspec/": f"<html><body>{links}</body></html>".encode()}
    return pages | {f"/files/{name}": content for name, content in files.items()}
