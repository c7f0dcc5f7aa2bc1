"""Does what docs/plugins.md tells under "Step by step", in order, and looks for what it shows as printed.

Only what the guide leaves to its reader is put in: where this home listens, the client's id and secret, the person's
consent, and the place of the changed line.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

BEGINNING = re.compile(r"^export WARDLOCK_HOME=.*\n(wardlock init .*)\nwardlock serve --simulator\n$")
PATIENCE = 60


def fail(text):
    sys.exit(f"FAILED: {text}")


def blocks(document):
    """The blocks of the section, each as its kind and its text."""
    section = document.split("\n## Step by step\n")[1].split("\n## ")[0]
    found = re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return found or fail("the guide has no blocks")


def unused_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def consent(start):
    """Agrees at the provider's page, as a person with a browser would."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor())
    with opener.open(start, timeout=20) as led:
        page = led.geturl()
    answer = urllib.parse.urlencode({"decision": "accept", "environment": "production"}).encode()
    opener.open(page, data=answer, timeout=20).read()


class Reader:
    def __init__(self, wardlock, work):
        self.home = work / "home"
        self.folder = work / "reader"
        programs = work / "programs"
        for folder in (self.folder, programs):
            folder.mkdir()
        (programs / "wardlock").symlink_to(wardlock)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "WARDLOCK"},
            "PATH": f"{programs}:{os.environ['PATH']}",
            "WARDLOCK_HOME": str(self.home),
            "NO_COLOR": "1",
            "BROWSER": "/bin/true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
        self.port, self.said, self.daemon, self.secret = unused_port(), "", None, ""

    def begin(self, init):
        """The first terminal: the home, on ports of its own, and the daemon."""
        self.shell(init)
        listen = f'[listen]\nagents = "127.0.0.1:{self.port}"\ncallback = "127.0.0.1:{unused_port()}"\n'
        (self.home / "wardlock.toml").write_text(listen)
        log = self.folder.parent / "serve.log"
        with log.open("w") as writer:
            self.daemon = subprocess.Popen(
                ["wardlock", "serve", "--simulator"], env=self.environment, stdin=subprocess.DEVNULL, stderr=writer
            )
        ends = time.monotonic() + PATIENCE
        while "serving" not in (told := log.read_text()):
            if self.daemon.poll() is not None or time.monotonic() > ends:
                fail(f"the daemon does not serve:\n{told}")
            time.sleep(0.1)
        self.client = re.search(r"--client-id (1000\S*)", told).group(1)
        self.secret = re.search(r"echo (\S+) \| wardlock", told).group(1)

    def shell(self, commands):
        """Runs commands, which succeed, where the last ones ended."""
        commands = commands.replace("--client-id ID", f"--client-id {self.client} --secret-stdin") if self.secret else commands
        commands = commands.replace("127.0.0.1:7420", f"127.0.0.1:{self.port}")
        ended = self.folder.parent / "ended-in"
        script = f"exec 2>&1\nset -eu\n{commands}\npwd > '{ended}'\n"
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        try:
            shell.stdin.write(self.secret)
            shell.stdin.close()
        except BrokenPipeError:
            pass  # Commands that ask for nothing may be gone already.
        self.said = ""
        for line in shell.stdout:
            self.said += line
            start = re.search(r"http://127\.0\.0\.1:\d+/start/\S+", line)
            if start:
                consent(start.group(0))
        if shell.wait() != 0:
            fail(f"{commands}\n{self.said}")
        self.folder = Path(ended.read_text().strip())

    def saw(self, lines):
        rest = self.said
        for line in lines:
            if line not in rest:
                fail(f"`{line}` is not printed, or not in this order:\n{self.said}")
            rest = rest.split(line, 1)[1]

    def change(self, line):
        """Puts the line before the return of what passes."""
        source = self.folder / "policy.js"
        before = '    return { verdict: { tag: "allow" }'
        text = source.read_text()
        if text.count(before) != 1:
            fail(f"there is not one place for the line:\n{text}")
        source.write_text(text.replace(before, line + before))


def main(wardlock, document, work):
    reader = Reader(wardlock, Path(work))
    begun = ran = shown = changed = 0
    try:
        for kind, text in blocks(Path(document).read_text()):
            if kind == "sh" and (beginning := BEGINNING.match(text)):
                reader.begin(beginning.group(1))
                begun += 1
            elif kind == "sh":
                reader.shell(text)
                ran += 1
            elif kind == "text":
                reader.saw(text.splitlines())
                shown += 1
            elif kind == "js":
                reader.change(text)
                changed += 1
            else:
                fail(f"what is a block of `{kind}`?")
        if (begun, changed) != (1, 1) or ran < 6 or shown < 6:
            fail(f"{begun} beginnings, {ran} commands, {shown} answers, {changed} changes")
        reader.shell("wardlock audit verify")
    finally:
        if reader.daemon:
            reader.daemon.terminate()
            reader.daemon.wait(PATIENCE)
        shutil.rmtree(Path(work) / "reader", ignore_errors=True)
    print(f"docs/plugins.md: {ran} blocks of commands, {shown} of what they print")


main(*sys.argv[1:])
