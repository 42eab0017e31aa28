// Single keys, for those who have not switched them off: the server then leaves this file out.
// Nothing here changes anything; keys lead to pages and fields. The table is shell/_keys_help.html.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const places = { o: "overview", s: "servers", n: "snapshots", a: "activity", c: "accounts", t: "team_index" };
  const patience = 1500;
  let leading = 0; // when "g" was pressed

  const isTyping = (target) => target.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  // By what the key says; on keyboards without Latin letters by where it is.
  function keyOf(event) {
    if (/^[!-~]$/.test(event.key)) return event.key.toLowerCase();
    if (event.code === "Slash") return event.shiftKey ? "?" : "/";
    return /^Key[A-Z]$/.test(event.code) && event.key.length === 1 ? event.code[3].toLowerCase() : "";
  }
  function search() {
    const field = document.querySelector("main input[type=search], main input[name=q]");
    if (field) { field.focus(); field.select(); return true; }
    const servers = byId("nav-servers");
    if (servers) location.assign(`${servers.getAttribute("href")}#search`);
    return Boolean(servers);
  }
  function go(element) { element?.click(); return Boolean(element); }
  const actions = {
    "/": search,
    "?": () => { byId("keys-dialog").showModal(); return true; },
    n: () => go(document.querySelector("main .page-head a[href$='/snapshots/new/']")),
    g: () => { leading = Date.now(); return true; },
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const key = keyOf(event), isSecond = Date.now() - leading < patience;
    leading = 0;
    const done = isSecond && places[key] ? go(byId(`nav-${places[key]}`)) : actions[key]?.();
    if (done) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (!opener) return;
    opener.closest("[popover]")?.hidePopover();
    byId(opener.dataset.opens).showModal();
  });
  if (location.hash === "#search") search();
})();
