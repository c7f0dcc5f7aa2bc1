// The JSON Schema of the settings: Wardlock checks them against it, and `wardlock plugin inspect` shows it.
export default {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "@name@",
  description: "Refuses requests by what they do at the provider.",
  type: "object",
  additionalProperties: false,
  properties: {
    allow: {
      description: "The effects that pass.",
      type: "array",
      items: { enum: ["read", "write", "destructive"] },
      uniqueItems: true,
      default: ["read"],
    },
  },
};
