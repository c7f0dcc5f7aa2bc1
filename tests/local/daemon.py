"""A home and its daemon under a user of its own, and what the suite needs to look at them as others."""

import base64
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

# Users without a name, an entry or a process: Wardlock's own, and a stranger.
OWNER = 54321
STRANGER = 65534

CLIENT_ID = "1000.WARDLOCKSIMULATORCLIENT00000001"
# Stored, and looked for wherever it must not be.
CLIENT_SECRET = b"canary-" + secrets.token_hex(24).encode()

_scratch = tempfile.TemporaryDirectory(prefix="wardlock-local-")
SCRATCH = Path(_scratch.name)
SCRATCH.chmod(0o755)


def expect(holds, problem):
    if not holds:
        sys.exit(f"FAILED: {problem}")


def step(threat, told):
    print(f"{threat}: {told}", flush=True)


def place(name):
    """A folder of the owner's in a folder that everybody may enter."""
    around = SCRATCH / name
    around.mkdir(mode=0o755)
    around.chmod(0o755)
    os.chown(around, OWNER, OWNER)
    path = around / "home"
    path.mkdir(mode=0o700)
    os.chown(path, OWNER, OWNER)
    return path


def program():
    """The executable, where the owner may run it."""
    copy = SCRATCH / "wardlock"
    if not copy.exists():
        here = Path(__file__).resolve().parents[2]
        shutil.copy(os.environ.get("WARDLOCK", here / "target/debug/wardlock"), copy)
        copy.chmod(0o755)
    return copy


def as_user(user, work, *arguments):
    """Does some work in a process of another user, and returns what it returned."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.write(writing, json.dumps(work(*arguments)).encode())
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    os.close(writing)
    with open(reading, "rb") as answer:
        text = answer.read()
    expect(os.waitpid(child, 0)[1] == 0, f"{work.__name__} failed as user {user}")
    return json.loads(text)


def spellings(secret):
    yield "raw", secret
    yield "hex", secret.hex().encode()
    for offset in range(3):
        # Without the characters at both ends, which depend on the neighbours.
        text = base64.b64encode(b"\0" * offset + secret)[(4 if offset else 0):-4]
        yield "base64", text
        yield "base64", text.replace(b"+", b"-").replace(b"/", b"_")


def searched(held, canaries):
    """The names of the secrets that are held, with their spelling."""
    found = {f"{name}, {how}" for name, secret in canaries.items() for how, text in spellings(secret) if text in held}
    return sorted(found)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def mount(*arguments, undo=True):
    subprocess.run(["mount", *map(str, arguments)], check=True)
    try:
        yield
    finally:
        if undo:
            umount(arguments[-1])


def umount(path):
    subprocess.run(["umount", str(path)], check=True)


class Home:
    """A home of the owner's, and commands in it."""

    def __init__(self, path):
        self.path = path
        self.around = path.parent
        self.canaries = {}

    def command(self, *arguments):
        return [str(program()), "--home", str(self.path), *arguments]

    def options(self):
        return dict(user=OWNER, group=OWNER, extra_groups=[], cwd=self.around, env={"PATH": "/usr/bin:/bin"})

    def run(self, *arguments, said=b""):
        ended = subprocess.run(self.command(*arguments), input=said, capture_output=True, timeout=120, **self.options())
        ended.stdout, ended.stderr = ended.stdout.decode(), ended.stderr.decode()
        return ended

    def init(self):
        made = self.run("init", "--key", "file", "--policy", "zoho-readonly", "--workspace", "acme", "--region", "eu")
        expect(made.returncode == 0, f"init: {made}")
        self.agents = f"127.0.0.1:{free_port()}"
        listen = f'[listen]\nagents = "{self.agents}"\ncallback = "127.0.0.1:{free_port()}"\n'
        (self.path / "wardlock.toml").write_text(listen)
        key = (self.path / "state/vault.key").read_text().strip()
        self.canaries = {"client secret": CLIENT_SECRET, "vault key": base64.b64decode(key)}

    def register(self, name):
        return self.run(
            "registration", "add", name, "--service", "zoho-crm", "--client-id", CLIENT_ID, "--secret-stdin",
            said=CLIENT_SECRET,
        )

    def add_agent(self):
        added = self.run("--json", "agent", "add", "reporter", "--workspace", "acme")
        expect(added.returncode == 0, f"agent add: {added}")
        self.token = json.loads(added.stdout)["token"]
        self.canaries["agent's token"] = self.token.encode()

    @contextlib.contextmanager
    def serving(self):
        """The daemon. Its log goes to a file, so that it never waits for a reader."""
        log = self.around / "log"
        with open(log, "wb") as file:
            daemon = subprocess.Popen(
                self.command("serve", "--simulator"), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                **self.options(),
            )
        try:
            while b"serving" not in log.read_bytes():
                try:
                    daemon.wait(0.05)
                    sys.exit(f"FAILED: the daemon ended: {log.read_text()}")
                except subprocess.TimeoutExpired:
                    pass
            yield daemon
        finally:
            daemon.kill()
            daemon.wait()
            expect(searched(log.read_bytes(), self.canaries) == [], "the log holds a secret")

    def ask(self):
        """One read by the agent: the status, and the code of a refusal."""
        request = urllib.request.Request(
            f"http://{self.agents}/acme/zoho/crm/v8/Leads?fields=Last_Name",
            headers={"Authorization": f"Bearer {self.token}", "Accept": "application/problem+json"},
        )
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
                return answer.status, None
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read())["code"]
