// The policy of @name@. It judges one request at a time, in a fresh instance: nothing that is kept here lives on.
import schema from "./schema.js";

let allow = ["read"];

export const settings = {
  describe: () => ({ name: "@name@", version: "0.1.0", capabilities: @capabilities@, attributes: [] }),
  schema: () => JSON.stringify(schema),
  // Wardlock has checked the settings against the schema already. What the schema cannot say is checked here:
  // throw a list of { path, message }.
  configure(text) {
    allow = JSON.parse(text).allow ?? allow;
  },
};

export const requestHook = {
  onRequest(request) {
    const { effect } = request.operation;
    if (!allow.includes(effect)) {
      return deny("effect_not_allowed", `this connection takes no ${effect}`, `send one of: ${allow.join(", ")}`);
    }
    return { verdict: { tag: "allow" }, notes: [] };
  },
};

function deny(code, message, hint) {
  return { verdict: { tag: "deny", val: { code, message, hint, attributes: [] } }, notes: [] };
}
@answers@
