// What somebody was typing outlives the end of their session: it is kept in this tab, and put back
// where it was typed when the same person comes from the sign-in. Never secrets, nor confirmations.
(() => {
  "use strict";
  const chip = document.getElementById("freshness");
  if (!chip) return; // the sign-in itself: what is kept waits for the page after it
  const fields = () => [...document.querySelectorAll("main form[method=post] :is(input, textarea, select)[name]")]
    .filter((field) => !/^(hidden|password|file|submit)$/.test(field.type) && field.name !== "typed");
  const isBox = (field) => /^(checkbox|radio)$/.test(field.type);
  const isChanged = (field) => {
    if (isBox(field)) return field.checked !== field.defaultChecked;
    if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected);
    return field.value !== field.defaultValue;
  };
  const nameOf = (field) => `${field.form.getAttribute("action")} ${field.name} ${isBox(field) ? field.value : ""}`;
  function take() {
    const kept = JSON.parse(sessionStorage.getItem("draft"));
    sessionStorage.removeItem("draft");
    const isBack = document.referrer.startsWith(location.origin + chip.dataset.signIn);
    return isBack && kept?.who === chip.dataset.who && kept.path === location.pathname ? kept.typed : {};
  }
  function keep() {
    const typed = {};
    for (const field of fields().filter(isChanged)) typed[nameOf(field)] = isBox(field) ? field.checked : field.value;
    if (!Object.keys(typed).length) return;
    sessionStorage.setItem("draft", JSON.stringify({ who: chip.dataset.who, path: location.pathname, typed }));
  }
  function putBack(typed) {
    const found = fields().filter((field) => nameOf(field) in typed);
    for (const field of found) {
      field[isBox(field) ? "checked" : "value"] = typed[nameOf(field)];
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    if (!found.length) return;
    const flash = document.createElement("div"), words = document.createElement("p");
    flash.className = "flash is-info"; words.textContent = chip.dataset.restored;
    flash.append(words); document.getElementById("flashes").append(flash);
    const region = document.getElementById("status");
    if (region) region.textContent = chip.dataset.restored;
  }
  try { putBack(take()); } catch { chip.dataset.signedOut = chip.dataset.copy; } // storage is switched off
  addEventListener("pagehide", () => { try { keep(); } catch { /* as above */ } });
})();
