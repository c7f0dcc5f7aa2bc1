"""Debian's registry on loopback with a folder of its own, and an authorization service that gives out its tokens. Whatever is
started here is ended here."""

import base64
import contextlib
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

PATIENCE = 60
USER, PASSWORD = "ann", "canary-of-the-registry"
# bcrypt of the password, as `htpasswd -B` makes it.
HTPASSWD = "$2b$04$pddrO6xPh/I6F2W4Csntd.MIi2/zllbO276KuTtgvJ2YCuz1ECJeG"
SERVICE, ISSUER = "registry of the suite", "tokens of the suite"


def unused_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Registry:
    """A registry that runs, and what is asked of it without the product."""

    def __init__(self, folder, port):
        self.folder, self.host = folder, f"127.0.0.1:{port}"

    def call(self, method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def manifest(self, repository, tag):
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        status, _, body = self.call("GET", f"/v2/{repository}/manifests/{tag}", headers=accept)
        assert status == 200, (status, body)
        return json.loads(body)

    def put_blob(self, repository, digest, content):
        status, headers, body = self.call("POST", f"/v2/{repository}/blobs/uploads/")
        assert status == 202, (status, body)
        upload = urllib.parse.urlsplit(headers["Location"])
        place = f"{upload.path}?{upload.query}&digest={urllib.parse.quote(digest)}"
        status, _, body = self.call("PUT", place, content, {"Content-Type": "application/octet-stream"})
        assert status == 201, (status, body)

    def put_manifest(self, repository, tag, manifest):
        headers = {"Content-Type": manifest["mediaType"]}
        status, _, body = self.call("PUT", f"/v2/{repository}/manifests/{tag}", json.dumps(manifest), headers)
        assert status == 201, (status, body)

    def stored(self, digest):
        """Where the registry keeps a blob."""
        digits = digest.removeprefix("sha256:")
        return self.folder / "data/docker/registry/v2/blobs/sha256" / digits[:2] / digits / "data"


@contextlib.contextmanager
def registry(program, folder, auth=""):
    """Runs a registry; `auth` is the settings' table of that name."""
    folder.mkdir()
    port = unused_port()
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}', secret: s}}\n{auth}"
    )
    log = folder / "log"
    with log.open("w") as writer:
        process = subprocess.Popen(
            [program, "serve", str(config)], stdin=subprocess.DEVNULL, stdout=writer, stderr=writer,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        ends = time.monotonic() + PATIENCE
        while True:
            assert process.poll() is None and time.monotonic() < ends, f"the registry does not serve:\n{log.read_text()}"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield Registry(folder, port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def passwords(folder):
    """Settings of a registry that wants user and password."""
    file = folder / "htpasswd"
    file.write_text(f"{USER}:{HTPASSWD}\n")
    return f"auth: {{htpasswd: {{realm: suite, path: {file}}}}}\n"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Tokens:
    """Gives out tokens as the registry's "Token Authentication Specification" has them: to everybody for pulling, and to
    the user for whatever is asked for."""

    def __init__(self, folder):
        self.key, self.certificate = folder / "key.pem", folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", self.certificate,
             "-days", "2", "-subj", "/CN=tokens"],
            check=True, capture_output=True,
        )
        self.asked = []

    def sign(self, claims):
        der = subprocess.run(
            ["openssl", "x509", "-in", self.certificate, "-outform", "DER"], check=True, capture_output=True
        ).stdout
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        signed = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(claims).encode())}"
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self.key], input=signed.encode(), check=True, capture_output=True
        ).stdout
        return f"{signed}.{encoded(signature)}"

    def give(self, query, authorization):
        """The status, and the answer."""
        self.asked.append((query, authorization))
        known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if authorization not in (None, known):
            return 401, {}
        access = []
        for scope in query.get("scope", []):
            kind, name, actions = scope.split(":")
            allowed = [action for action in actions.split(",") if authorization or action == "pull"]
            access.append({"type": kind, "name": name, "actions": allowed})
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": USER, "aud": query["service"][0], "iat": now, "nbf": now - 60, "exp": now + 600,
            "jti": str(len(self.asked)), "access": access,
        }
        return 200, {"token": self.sign(claims)}


@contextlib.contextmanager
def tokens(folder):
    """Runs an authorization service; yields it, and the settings of a registry that believes it."""
    given = Tokens(folder)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            status, answer = given.give(query, self.headers.get("Authorization"))
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = (
        f"auth: {{token: {{realm: 'http://127.0.0.1:{server.server_port}/token', service: '{SERVICE}', "
        f"issuer: '{ISSUER}', rootcertbundle: {given.certificate}}}}}\n"
    )
    try:
        yield given, settings
    finally:
        server.shutdown()
        server.server_close()
