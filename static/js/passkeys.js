// A button with data-passkey asks the browser for a passkey and sends its form: "get" and "create"
// find what to ask for in the page, "sign-in" fetches it. A failure is told beside the button.
(() => {
  "use strict";
  const { create, get } = window.webauthnJSON;
  const fromPage = () => JSON.parse(document.getElementById("passkey-data").textContent);
  async function made(form) {
    const options = fromPage().creation_options, alone = form.elements.passwordless?.checked ?? false;
    const choice = options.publicKey.authenticatorSelection;
    choice.residentKey = alone ? "required" : "discouraged";
    choice.requireResidentKey = alone;
    if (alone) choice.userVerification = "required";
    return create(options);
  }
  async function fetched(form) {
    const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
    return get((await answer.json()).request_options);
  }
  const ways = { create: made, get: () => get(fromPage().request_options), "sign-in": fetched };
  for (const button of document.querySelectorAll("[data-passkey]")) {
    const form = button.form, failed = form.querySelector(".passkey-failed");
    button.addEventListener("click", async (event) => {
      event.preventDefault();
      failed.hidden = true;
      try {
        const credential = await ways[button.dataset.passkey](form);
        form.querySelector("input[name$=credential]").value = JSON.stringify(credential);
        form.submit();
      } catch { failed.hidden = false; }
    });
  }
})();
