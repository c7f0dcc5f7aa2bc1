"""A project of every language that `wardlock plugin new` has: begun, its toolchain made ready as it says itself, built,
tested, checked, and tested again after a change that a case must notice."""

import json
import os
import subprocess
import sys
from pathlib import Path

# Of each language: what its policy says to what is refused.
LANGUAGES = {"rust": "src/lib.rs", "js": "policy.js", "python": "app.py", "c": "policy.c"}
# Of those whose toolchain can stub the clock: a line of the policy, one behind it that reads the clock and throws, and what the log
# then holds.
CLOCKS = {
    "js": ("    const { effect } = request.operation;\n", '    throw new Error("at " + Date.now());\n', "at 1767614400000"),
    "python": (
        "        effect = request.operation.effect.name.lower()\n",
        '        import time; print("printed"); raise Exception(f"at {int(time.time())}")\n',
        "at 1767614400",
    ),
}

# The other worlds that a project is begun for, and what `describe` asks for then.
WORLDS = {"quota-plugin": ["quota"], "folder-plugin": ["folder"], "full-plugin": []}


def fail(text):
    sys.exit(f"FAILED: {text}")


def main(wardlock, work):
    environment = {**os.environ, "NO_COLOR": "1", "WARDLOCK_HOME": str(Path(work) / "none")}

    def run(arguments, folder, expected=0):
        ended = subprocess.run(arguments, cwd=folder, env=environment, text=True, capture_output=True, stdin=subprocess.DEVNULL)
        if ended.returncode != expected:
            fail(f"{arguments} ended with {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
        return ended.stdout

    for language, source in LANGUAGES.items():
        name = f"my-{language}"
        begun = json.loads(run([wardlock, "--json", "plugin", "new", name, "--lang", language], work))
        folder = Path(work) / name
        for command in begun["next"]:
            # What is Wardlock's own comes below; of the rest, Rust's target and what the system installs are there already.
            if not command.startswith(("cd ", "wardlock ", "rustup ", "sudo ")):
                run(["bash", "-c", command], folder)
        built = json.loads(run([wardlock, "--json", "plugin", "build"], folder))
        component = f"{name}.wasm"
        tested = json.loads(run([wardlock, "--json", "plugin", "test", component], folder))
        if tested["cases"] < 3 or tested["sha256"] != built["sha256"]:
            fail(f"{language}: {tested}")
        checked = json.loads(run([wardlock, "--json", "plugin", "check", component], folder))
        imported = [found["what"] for found in checked["found"] if found["what"].startswith("imports wasi:")]
        if not checked["ok"] or checked["capabilities"] != []:
            fail(f"{language}: {checked}")
        text = (folder / source).read_text()
        (folder / source).write_text(text.replace('"effect_not_allowed"', '"another_code"'))
        told = run([wardlock, "plugin", "dev"], folder, expected=1)
        if "code: `effect_not_allowed` is expected, and it is `another_code`" not in told:
            fail(f"{language}: {told}")
        bench = json.loads(run([wardlock, "--json", "plugin", "bench", component, "--runs", "50"], folder))
        if language in CLOCKS:
            line, throws, logged = CLOCKS[language]
            (folder / source).write_text(text.replace(line, line + throws))
            told = run([wardlock, "plugin", "dev"], folder, expected=1)
            if "it logged" not in told or logged not in told or any(found["what"] == "clock" for found in checked["found"]):
                fail(f"{language}: {told}\n{checked}")
        for world, capabilities in WORLDS.items() if language == "js" else ():
            other = Path(work) / world
            run([wardlock, "plugin", "new", world, "--lang", language, "--world", world], work)
            (other / "node_modules").symlink_to(folder / "node_modules")
            run([wardlock, "plugin", "build"], other)
            run([wardlock, "plugin", "test", f"{world}.wasm"], other)
            found = json.loads(run([wardlock, "--json", "plugin", "check", f"{world}.wasm"], other))
            if not found["ok"] or found["capabilities"] != capabilities:
                fail(f"{world}: {found}")
        print(f"{language}: {built['bytes']} bytes, {tested['cases']} cases, WASI {imported or 'none'}, {bench[0]['median_us']} us")


main(*sys.argv[1:])
