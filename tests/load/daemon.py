"""A daemon with the simulator behind it, in a home of its own, and what the kernel says of it."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

# The simulator's client, as `serve --simulator` introduces it.
CLIENT_ID = "1000.WARDLOCKSIMULATORCLIENT00000001"
CLIENT_SECRET = b"simulator-client-secret-of-nobody"

TARGET = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=1"


def expect(holds, problem):
    if not holds:
        sys.exit(f"FAILED: {problem}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Daemon:
    """`wardlock serve --simulator`, connected, with agents."""

    def __init__(self, folder, config=""):
        """`config` is more of wardlock.toml."""
        self.folder, self.config = Path(folder), config
        self.home = self.folder / "home"
        here = Path(__file__).resolve().parents[2]
        self.program = os.path.realpath(os.environ.get("WARDLOCK", here / "target/debug/wardlock"))
        self.port = free_port()

    def command(self, *arguments):
        return [self.program, "--home", str(self.home), *arguments]

    def run(self, *arguments, said=b""):
        ended = subprocess.run(self.command(*arguments), input=said, capture_output=True, timeout=120)
        expect(ended.returncode == 0, f"`wardlock {' '.join(arguments)}`: {ended}")
        return ended.stdout.decode()

    @contextlib.contextmanager
    def serving(self):
        self.run("init", "--key", "file", "--policy", "zoho-readonly", "--workspace", "acme", "--region", "eu")
        listen = f'[listen]\nagents = "127.0.0.1:{self.port}"\ncallback = "127.0.0.1:{free_port()}"\n'
        (self.home / "wardlock.toml").write_text(listen + self.config)
        # 20 ms are meant for an optimised build.
        workspace = self.home / "workspaces/acme.toml"
        limits = 'limits = { time = "200ms" }'
        workspace.write_text(re.sub("(?m)^sha256 ", f"{limits}\nsha256 ", workspace.read_text()))
        log = self.folder / "log"
        with open(log, "wb") as file:
            daemon = subprocess.Popen(
                self.command("serve", "--simulator"), stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        try:
            while b"serving" not in log.read_bytes():
                expect(daemon.poll() is None, f"the daemon ended: {log.read_text()}")
                time.sleep(0.05)
            self.pid = daemon.pid
            self.run(
                "registration", "add", "zoho", "--service", "zoho-crm", "--client-id", CLIENT_ID, "--secret-stdin",
                said=CLIENT_SECRET,
            )
            self.connect()
            yield
            expect(daemon.poll() is None, f"the daemon ended: {log.read_text()[-2000:]}")
        finally:
            daemon.terminate()
            daemon.wait(60)

    def connect(self):
        """`connect`, with the person who accepts."""
        said = open(self.folder / "connect", "w+b")
        connecting = subprocess.Popen(
            self.command("connect", "acme/zoho", "--no-browser"), stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        start = None
        while start is None:
            expect(connecting.poll() is None, f"connect ended: {(self.folder / 'connect').read_text()}")
            start = re.search(r"http://127\.0\.0\.1:\d+/start/\S+\s", (self.folder / "connect").read_text())
            time.sleep(0.05)
        browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
        form = urllib.parse.urlencode({"decision": "accept", "environment": "production"}).encode()
        with browser.open(start[0].strip(), timeout=20) as led:
            page = led.geturl()
        browser.open(page, form, timeout=20).read()
        expect(connecting.wait(60) == 0, f"connect: {(self.folder / 'connect').read_text()}")

    def add_agent(self, name):
        return json.loads(self.run("--json", "agent", "add", name, "--workspace", "acme"))["token"]

    def memory(self, line):
        """A line of /proc/PID/status, in MiB: VmRSS is now, VmHWM was the most since the last `forget_peak`."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split(f"{line}:")[1].split()[0]) / 1024

    def forget_peak(self):
        # proc(5): 5 resets the peak to what is resident now.
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def audit_bytes(self):
        return sum(path.stat().st_size for path in (self.home / "state").glob("audit*"))

    def audit_rows(self):
        return json.loads(self.run("--json", "audit", "verify"))["rows"]


def scratch():
    return tempfile.TemporaryDirectory(prefix="wardlock-load-")
