"""The policy of @name@. It judges one request at a time, in a fresh instance: nothing that is kept here lives on."""

import json
from pathlib import Path

import wit_world
from wit_world import exports
@imports@
from wit_world.exports.settings import Description
from wit_world.imports.types import Answer, Effect, Reason, Request, Verdict_Allow, Verdict_Deny

# Read while the component is built: it has no files when it runs.
SCHEMA = Path(__file__).with_name("schema.json").read_text()

allow = ["read"]


class Settings(exports.Settings):
    def describe(self) -> Description:
        return Description(name="@name@", version="0.1.0", capabilities=@capabilities@, attributes=[])

    def schema(self) -> str:
        return SCHEMA

    def configure(self, settings: str) -> None:
        """Wardlock has checked the settings against the schema already. What the schema cannot say is checked here:
        raise `Err` with a list of `Problem`."""
        global allow
        allow = json.loads(settings).get("allow", allow)


class RequestHook(exports.RequestHook):
    def on_request(self, request: Request) -> Answer:
        effect = request.operation.effect.name.lower()
        if effect not in allow:
            return deny("effect_not_allowed", f"this connection takes no {effect}", f"send one of: {', '.join(allow)}")
        return Answer(verdict=Verdict_Allow(), notes=[])


def deny(code: str, message: str, hint: str) -> Answer:
    reason = Reason(code=code, message=message, hint=hint, retry_after_seconds=None, attributes=[])
    return Answer(verdict=Verdict_Deny(reason), notes=[])
@answers@
