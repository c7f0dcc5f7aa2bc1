"""Hides and protects fields: the policy of plugins/guests/field-mask, in Python.

A hidden field is not read, not filtered by and not written; a protected one is not written. The host has parsed which
fields a request touches, from query, COQL, criteria and bodies; where it could not tell, nothing passes. A read that
lists hidden fields in `fields=` is narrowed, everything else is refused.
"""

import json
import string
from dataclasses import dataclass
from pathlib import Path

import wit_world.exports
from componentize_py_types import Err
from wit_world.exports.settings import Description, Problem
from wit_world.imports.types import (
    Answer,
    Edit_SetQuery,
    Field,
    FieldUse,
    Parameter,
    Reason,
    Request,
    Shaping,
    Verdict_Allow,
    Verdict_Deny,
    Verdict_Shape,
)

NEITHER = "is neither `Field` nor `Module.Field`, by API names"

# Read while the component is built, which is the last time that there are files.
SCHEMA = Path(__file__).with_name("schema.json").read_text(encoding="utf-8")

PLAIN = frozenset(string.ascii_letters + string.digits + "_$.-:*")
# What Unicode calls white space. `str.strip` takes the separators U+001C to U+001F for it, too.
WHITE_SPACE = (
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
# Lower case of ASCII only: `str.lower` makes a `k` of the Kelvin sign.
LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True)
class Entry:
    """`Field`, or `Module.Field`."""

    module: str | None
    field: str

    @staticmethod
    def parse(text: str) -> "Entry | None":
        before, dot, after = text.partition(".")
        module, field = (before, after) if dot else (None, text)
        if "." in field or not is_plain(field) or (module is not None and not is_plain(module)) or "*" in text:
            return None
        return Entry(module, field)

    def covers(self, of: str, name: str) -> bool:
        """A dotted name goes through lookups: `Account_Name.Phone` is a phone of some other module, so every part
        counts, and only the first is known to be the request's own module's."""
        if name == "*":
            return True
        for depth, segment in enumerate(name.split(".")):
            known = depth == 0 and of != ""
            if is_same(self.field, segment) and (self.module is None or not known or is_same(self.module, of)):
                return True
        return False


class FieldMask:
    """The policy with its settings."""

    def __init__(self, hide: list[Entry], protect: list[Entry]):
        self.hide = hide
        self.protect = protect

    @staticmethod
    def configure(text: str) -> "FieldMask":
        """Reads the settings. Raises their problems."""
        settings = parse_settings(text)
        problems = []
        entries = {"hide": [], "protect": []}
        for key, parsed in entries.items():
            for at, entry in enumerate(map(Entry.parse, settings[key])):
                if entry is None:
                    problems.append(Problem(f"/{key}/{at}", NEITHER))
                else:
                    parsed.append(entry)
        if not settings["hide"] and not settings["protect"]:
            problems.append(Problem("", "names no field: `hide` or `protect` must"))
        if problems:
            raise Err(problems)
        return FieldMask(**entries)

    def on_request(self, request: Request) -> Answer:
        touched = request.operation.fields
        if touched is None:
            return deny(
                "fields_unknown",
                "it cannot be told which fields this request touches",
                "name the fields you need: `fields=` on a read, columns in COQL",
            )
        return self.refusal(touched) or self.narrow(request, touched)

    def refusal(self, touched: list[Field]) -> Answer | None:
        """What no edit can mend: names that cannot be judged, hidden filters, hidden or protected writes."""
        for field in touched:
            of, name = field.of, field.name
            if not is_plain(name):
                return unclear(name)
            if field.how == FieldUse.FILTER and self.hides(of, name):
                return hidden(name, "leave it out of search criteria, conditions and sort order")
            if field.how == FieldUse.WRITE and (self.hides(of, name) or any_covers(self.protect, of, name)):
                return deny("field_protected", f"may not be written: {name}", "leave it out of the body")
        return None

    def narrow(self, request: Request, touched: list[Field]) -> Answer:
        """Takes hidden fields out of `fields=`, where all that is hidden stands there."""
        lists = (parameter.value for parameter in request.query if parameter.name == "fields")
        listed = [name.strip(WHITE_SPACE) for value in lists for name in value.split(",")]
        for name in listed:
            if name and not is_plain(name):
                return unclear(name)
        hidden_reads = [field for field in touched if field.how == FieldUse.READ and self.hides(field.of, field.name)]
        for field in hidden_reads:
            if not any(is_same(name, field.name) for name in listed):
                return hidden(field.name, "leave it out of the columns")

        # What the host has not reported is judged all the same, in every module that is touched.
        def is_hidden(name: str) -> bool:
            return any(is_same(field.name, name) for field in hidden_reads) or any(
                self.hides(of, name) for of in request.operation.resources
            )

        named = [name for name in listed if name]
        left_out = [name for name in named if is_hidden(name)]
        kept = [name for name in named if not is_hidden(name)]
        if not left_out:
            return Answer(Verdict_Allow(), [])
        if not kept:
            return hidden(", ".join(left_out), "ask for other fields")
        edit = Edit_SetQuery(Parameter("fields", ",".join(kept)))
        why = Reason("fields_narrowed", f"left out: {', '.join(left_out)}", None, None, [])
        return Answer(Verdict_Shape(Shaping([edit], why)), [])

    def hides(self, of: str, name: str) -> bool:
        return any_covers(self.hide, of, name)


def parse_settings(text: str) -> dict[str, list[str]]:
    """Reads the settings; what is none of them is a problem of the whole."""
    try:
        given = json.loads(text)
    except ValueError as error:
        raise Err([Problem("", f"not JSON: {error}")]) from error
    if not isinstance(given, dict):
        raise Err([Problem("", "not an object")])
    settings = {"hide": [], "protect": []}
    for key, listed in given.items():
        if key not in settings:
            raise Err([Problem("", f"unknown field `{key}`, expected `hide` or `protect`")])
        if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
            raise Err([Problem("", f"`{key}` is not a list of strings")])
        settings[key] = listed
    return settings


def any_covers(entries: list[Entry], of: str, name: str) -> bool:
    return any(entry.covers(of, name) for entry in entries)


def is_plain(name: str) -> bool:
    """Only plain names are compared: others might be folded to a hidden one behind our back."""
    return all(name.split(".")) and PLAIN.issuperset(name)


def is_same(one: str, other: str) -> bool:
    return one.translate(LOWER) == other.translate(LOWER)


def quoted(name: str) -> str:
    """Quotes a name so that a look-alike shows: what is not printable ASCII is spelt `\\u{…}`."""
    short = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "'": "\\'", '"': '\\"', "\\": "\\\\"}
    spelt = (short.get(c) or (c if " " <= c <= "~" else f"\\u{{{ord(c):x}}}") for c in name)
    return f'"{"".join(spelt)}"'


def deny(code: str, message: str, hint: str | None = None) -> Answer:
    return Answer(Verdict_Deny(Reason(code, message, hint, None, [])), [])


def hidden(name: str, hint: str) -> Answer:
    return deny("field_hidden", f"hidden on this connection: {name}", hint)


def unclear(name: str) -> Answer:
    return deny("field_unclear", f"not a plain field name: {quoted(name)}", "use the field's API name")


# --- what the component exports: componentize-py looks for classes of these names

policy: FieldMask | None = None


class Settings(wit_world.exports.Settings):
    def describe(self) -> Description:
        return Description("field-mask", "0.1.0", ["shape"], [])

    def schema(self) -> str:
        return SCHEMA

    def configure(self, settings: str) -> None:
        global policy
        configured = FieldMask.configure(settings)
        if policy is not None:
            raise Err([Problem("", "already configured")])
        policy = configured


class RequestHook(wit_world.exports.RequestHook):
    def on_request(self, request: Request) -> Answer:
        if policy is None:
            return deny("not_configured", "the plugin got a request before its settings")
        return policy.on_request(request)
