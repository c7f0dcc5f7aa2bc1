// Hides and protects fields: the policy of plugins/guests/field-mask, in JavaScript.
//
// A hidden field is not read, not filtered by and not written; a protected one is not written. The host has parsed
// which fields a request touches, from query, COQL, criteria and bodies; where it could not tell, nothing passes. A
// read that lists hidden fields in `fields=` is narrowed, everything else is refused.

// The build writes it, of plugins/guests/field-mask/schema.json.
import schema from "./schema.js";

const NEITHER = "is neither `Field` nor `Module.Field`, by API names";

/** Entries of `hide` and `protect`; null until the settings have come. Each request meets a fresh instance. */
let policy = null;

// --- what the component exports: `wardlock:policy/settings` and `wardlock:policy/request-hook`

export const settings = {
  describe: () => ({ name: "field-mask", version: "0.1.0", capabilities: ["shape"], attributes: [] }),
  schema: () => JSON.stringify(schema),
  // A `result` of WIT: what is thrown is its error.
  configure(text) {
    const { hide, protect } = parseSettings(text);
    const problems = [];
    const entries = (key, listed) =>
      listed.map((entry, at) => {
        const parsed = parseEntry(entry);
        if (parsed === null) problems.push({ path: `/${key}/${at}`, message: NEITHER });
        return parsed;
      });
    const parsed = { hide: entries("hide", hide), protect: entries("protect", protect) };
    if (hide.length === 0 && protect.length === 0) {
      problems.push({ path: "", message: "names no field: `hide` or `protect` must" });
    }
    if (problems.length > 0) throw problems;
    if (policy !== null) throw [{ path: "", message: "already configured" }];
    policy = parsed;
  },
};

export const requestHook = {
  onRequest(request) {
    if (policy === null) return deny("not_configured", "the plugin got a request before its settings");
    const touched = request.operation.fields;
    if (touched === null) {
      return deny(
        "fields_unknown",
        "it cannot be told which fields this request touches",
        "name the fields you need: `fields=` on a read, columns in COQL",
      );
    }
    return refusal(touched) ?? narrow(request, touched);
  },
};

// --- the policy

/** What no edit can mend: names that cannot be judged, hidden filters, hidden or protected writes. */
function refusal(touched) {
  for (const { of, name, how } of touched) {
    if (!isPlain(name)) return unclear(name);
    if (how === "filter" && hides(of, name)) {
      return hidden(name, "leave it out of search criteria, conditions and sort order");
    }
    if (how === "write" && (hides(of, name) || policy.protect.some((entry) => covers(entry, of, name)))) {
      return deny("field_protected", `may not be written: ${name}`, "leave it out of the body");
    }
  }
  return null;
}

/** Takes hidden fields out of `fields=`, where all that is hidden stands there. */
function narrow(request, touched) {
  const listed = request.query
    .filter((parameter) => parameter.name === "fields")
    .flatMap((parameter) => parameter.value.split(","))
    .map(trim);
  const odd = listed.find((name) => name !== "" && !isPlain(name));
  if (odd !== undefined) return unclear(odd);
  const hiddenReads = touched.filter((field) => field.how === "read" && hides(field.of, field.name));
  const elsewhere = hiddenReads.find((field) => !listed.some((name) => isSame(name, field.name)));
  if (elsewhere !== undefined) return hidden(elsewhere.name, "leave it out of the columns");
  // What the host has not reported is judged all the same, in every module that is touched.
  const isHidden = (name) =>
    hiddenReads.some((field) => isSame(field.name, name)) ||
    request.operation.resources.some((of) => hides(of, name));
  const named = listed.filter((name) => name !== "");
  const leftOut = named.filter(isHidden);
  const kept = named.filter((name) => !isHidden(name));
  if (leftOut.length === 0) return allow();
  if (kept.length === 0) return hidden(leftOut.join(", "), "ask for other fields");
  const edit = { tag: "set-query", val: { name: "fields", value: kept.join(",") } };
  return shape([edit], "fields_narrowed", `left out: ${leftOut.join(", ")}`);
}

function hides(of, name) {
  return policy.hide.some((entry) => covers(entry, of, name));
}

/**
 * A dotted name goes through lookups: `Account_Name.Phone` is a phone of some other module, so every part counts, and
 * only the first is known to be the request's own module's.
 */
function covers(entry, of, name) {
  if (name === "*") return true;
  return name.split(".").some((segment, depth) => {
    const known = depth === 0 && of !== "";
    return isSame(entry.field, segment) && (entry.module === null || !known || isSame(entry.module, of));
  });
}

// --- settings

/** Reads the settings; what is none of them is a problem of the whole. */
function parseSettings(text) {
  const refuse = (message) => {
    throw [{ path: "", message }];
  };
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    refuse(`not JSON: ${error.message}`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) refuse("not an object");
  const unknown = Object.keys(value).find((key) => key !== "hide" && key !== "protect");
  if (unknown !== undefined) refuse(`unknown field \`${unknown}\`, expected \`hide\` or \`protect\``);
  const { hide = [], protect = [] } = value;
  for (const [key, listed] of Object.entries({ hide, protect })) {
    const isList = Array.isArray(listed) && listed.every((entry) => typeof entry === "string");
    if (!isList) refuse(`\`${key}\` is not a list of strings`);
  }
  return { hide, protect };
}

/** Reads `Field` or `Module.Field`; null where it is neither. */
function parseEntry(text) {
  const dot = text.indexOf(".");
  const module = dot < 0 ? null : text.slice(0, dot);
  const field = text.slice(dot + 1);
  if (field.includes(".") || !isPlain(field) || (module !== null && !isPlain(module)) || text.includes("*")) {
    return null;
  }
  return { module, field };
}

// --- names

/** Only plain names are compared: others might be folded to a hidden one behind our back. */
function isPlain(name) {
  return /^[A-Za-z0-9_$.:*-]+$/.test(name) && !name.split(".").includes("");
}

/** Compares without case, of ASCII only: `toLowerCase` alone makes a `k` of the Kelvin sign. */
function isSame(one, other) {
  return lower(one) === lower(other);
}

function lower(text) {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** Trims what Unicode calls white space. `String.trim` takes U+FEFF for it, and U+0085 not. */
function trim(text) {
  const isSpace = (at) => /\p{White_Space}/u.test(text[at]);
  let [start, end] = [0, text.length];
  while (start < end && isSpace(start)) start += 1;
  while (start < end && isSpace(end - 1)) end -= 1;
  return text.slice(start, end);
}

/** Quotes a name so that a look-alike shows: what is not printable ASCII is spelt `\u{…}`. */
function quoted(name) {
  const short = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "'": "\\'", '"': '\\"', "\\": "\\\\" };
  const spelt = (c) => short[c] ?? (c >= " " && c <= "~" ? c : `\\u{${c.codePointAt(0).toString(16)}}`);
  return `"${Array.from(name, spelt).join("")}"`;
}

// --- answers

function allow() {
  return { verdict: { tag: "allow" }, notes: [] };
}

function deny(code, message, hint = null) {
  return { verdict: { tag: "deny", val: reason(code, message, hint) }, notes: [] };
}

function shape(edits, code, message) {
  return { verdict: { tag: "shape", val: { edits, reason: reason(code, message, null) } }, notes: [] };
}

function reason(code, message, hint) {
  return { code, message, hint, retryAfterSeconds: null, attributes: [] };
}

function hidden(name, hint) {
  return deny("field_hidden", `hidden on this connection: ${name}`, hint);
}

function unclear(name) {
  return deny("field_unclear", `not a plain field name: ${quoted(name)}`, "use the field's API name");
}
