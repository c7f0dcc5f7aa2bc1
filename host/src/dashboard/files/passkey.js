// Passkeys: makes one for an operator, or has one sign an approval. What is signed the listener says; what holds it checks.
"use strict";

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function make(form) {
  const made = await navigator.credentials.create({
    publicKey: {
      rp: { id: "localhost", name: "Wardlock" },
      user: {
        id: crypto.getRandomValues(new Uint8Array(32)),
        name: form.dataset.operator,
        displayName: form.dataset.operator,
      },
      challenge: bytes(form.dataset.newPasskey),
      pubKeyCredParams: [{ type: "public-key", alg: -8 }, { type: "public-key", alg: -7 }],
      authenticatorSelection: { userVerification: "required", residentKey: "preferred" },
      attestation: "none",
    },
  });
  form.elements.client.value = text(made.response.clientDataJSON);
  form.elements.authenticator.value = text(made.response.getAuthenticatorData());
}

async function sign(form) {
  const { csrf, request_sha256 } = form.elements;
  const asked = new URLSearchParams({ csrf: csrf.value, request_sha256: request_sha256.value });
  const answer = await fetch(form.dataset.question, { method: "POST", body: asked });
  if (!answer.ok) throw new Error("the session has ended, or Wardlock does not answer");
  const question = await answer.json();
  const said = await navigator.credentials.get({
    publicKey: {
      rpId: "localhost",
      challenge: bytes(question.challenge),
      allowCredentials: question.passkeys.map((id) => ({ type: "public-key", id: bytes(id) })),
      userVerification: "required",
    },
  });
  form.elements.nonce.value = question.nonce;
  form.elements.credential.value = text(said.rawId);
  form.elements.client.value = text(said.response.clientDataJSON);
  form.elements.authenticator.value = text(said.response.authenticatorData);
  form.elements.signature.value = text(said.response.signature);
}

for (const form of document.querySelectorAll("form[data-new-passkey], form[data-question]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    const told = form.querySelector(".told");
    button.disabled = true;
    told.textContent = "Waiting for your passkey";
    try {
      await (form.dataset.question ? sign(form) : make(form));
      told.textContent = "Sending";
      // Not through the button again: this listener would take it.
      form.submit();
    } catch (error) {
      told.textContent = `No passkey answered, so nothing was done: ${error.message}`;
      button.disabled = false;
    }
  });
}
