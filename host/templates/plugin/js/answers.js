
export const responseHook = {
  // Its body's content comes with the capability `response-body`.
  onResponse(response) {
    return { verdict: { tag: "pass" }, notes: [] };
  },
};
