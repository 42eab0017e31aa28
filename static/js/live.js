// Live pages, without eval and without state of its own beyond the tab: when to ask, when not to,
// how old the data are, and what to say aloud. Words come from data attributes of #freshness.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const chip = byId("freshness");
  const poller = () => byId("live");
  const minute = 60_000, idleLimit = 15 * minute;
  const say = (words) => { const region = byId("status"); if (region && words) region.textContent = words; };

  // -- time in words ------------------------------------------------------------------------------
  // The server's own sentences. Days are left as it wrote them: their words change with the number.
  const fill = (words, values) => (words || "").replace(/%(?:\((\w+)\))?d/g, (_all, name) => values[name || "d"]);
  const said = (name, values) => fill(chip?.dataset[name], values);
  const twoDays = 172_800;
  function span(seconds) {
    const s = Math.max(0, Math.floor(seconds)), m = Math.floor(s / 60), h = Math.floor(m / 60);
    if (s < 60) return said("s", { d: s });
    return m < 60 ? said("minS", { min: m, s: s % 60 }) : said("hMin", { h, min: m % 60 });
  }
  function ago(seconds) {
    const m = Math.max(1, Math.floor(seconds / 60));
    if (seconds < 45) return said("now");
    return m < 60 ? said("minAgo", { d: m }) : said("hAgo", { d: Math.floor(m / 60) });
  }
  const write = (element, words) => { if (element.textContent !== words) element.textContent = words; };
  function tick() {
    const now = Date.now() / 1000;
    for (const bar of document.querySelectorAll("progress[data-median]")) {
      const part = 1 - Math.exp((-1.6 * (now - bar.dataset.from)) / bar.dataset.median);
      bar.value = Math.max(0, Math.min(95, 100 * part));
    }
    if (!chip) return;
    for (const one of document.querySelectorAll("[data-since]")) {
      const passed = now - one.dataset.since;
      if (passed < twoDays) write(one, span(passed));
    }
    for (const one of document.querySelectorAll("[data-left]")) write(one, span(Math.max(0, one.dataset.left - now)));
    for (const one of document.querySelectorAll("time[data-ago]")) {
      const passed = now - Date.parse(one.dateTime) / 1000;
      if (passed < twoDays) write(one, ago(passed));
    }
    for (const one of document.querySelectorAll("[data-until]")) one.hidden = now > one.dataset.until;
    draw();
  }

  // An account that was looked at and has not changed is no news, and yet its page tells when it was.
  function looked(told) {
    const at = new Map(told.split(",").map((one) => one.split("=")));
    for (const place of document.querySelectorAll("[data-looked]")) {
      const oldest = place.dataset.looked.split(" ").map((pk) => at.get(pk) || "").sort()[0];
      const time = place.querySelector("time");
      if (!oldest || !time || Date.parse(`${oldest}Z`) <= Date.parse(time.dateTime)) continue;
      time.dateTime = `${oldest}Z`;
      time.removeAttribute("title"); // which tells the time before
    }
  }

  // -- the chip -----------------------------------------------------------------------------------
  let answered = Date.now(), touched = Date.now(), failures = 0, notBefore = 0, asked = 0, gone = false;
  let paused = false;
  try { paused = sessionStorage.getItem("paused") === "1"; } catch { /* storage is switched off */ }
  function state() {
    if (gone) return "gone";
    if (paused) return "paused";
    if (poller()?.hasAttribute("data-ended")) return "ended";
    if (failures) return "retrying";
    return Date.now() - answered < Math.max(20_000, 1500 * Number(poller()?.dataset.seconds || 60)) ? "live" : "updated";
  }
  let clock; // digits alone, as the server writes them; some languages have no data in browsers
  try { clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: chip?.dataset.zone }); }
  catch { clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" }); }
  function draw() {
    const now = state(), button = byId("freshness-switch");
    const time = clock.format(answered);
    chip.dataset.state = now;
    write(byId("freshness-words"), chip.dataset[now].replace("{time}", time).replace("{age}", span((Date.now() - answered) / 1000)));
    button.setAttribute("aria-pressed", String(paused));
    button.setAttribute("aria-label", paused ? chip.dataset.resume : chip.dataset.pause);
  }
  function pause(on, remember) {
    paused = on;
    if (remember) try { sessionStorage.setItem("paused", on ? "1" : "0"); } catch { /* as above */ }
    draw();
    if (!on) ask();
  }
  const ask = () => { const element = poller(); if (element && window.htmx) htmx.trigger(element, "live:now"); };

  // -- when to ask --------------------------------------------------------------------------------
  // A wish to ask that comes while an answer is under way, or before htmx knows the new poller, waits.
  let wished = false;
  document.addEventListener("live:now", () => { wished = true; soon(); }, true);
  const soon = () => setTimeout(() => { if (wished && !asked && !document.hidden && !paused && !gone) ask(); }, 50);
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id !== "live") return;
    const early = Date.now() < notBefore && event.detail.requestConfig.triggeringEvent?.type !== "live:now";
    if (document.hidden || paused || gone || early || (asked && Date.now() - asked < 20_000)) event.preventDefault();
    else { asked = Date.now(); wished = false; }
  });
  // The session is over: the sign-in comes by itself, but not over what somebody has typed.
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    if (event.target.id !== "live" || event.detail.xhr.status !== 401) return;
    const fields = [...document.querySelectorAll("main input:not([type=hidden]), main textarea")];
    const isChanged = (field) => (/^(checkbox|radio)$/.test(field.type) ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);
    if (!fields.some(isChanged)) return;
    event.preventDefault();
    gone = true;
    chip.dataset.gone = chip.dataset.signedOut;
    say(chip.dataset.signedOut);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.requestConfig?.path?.startsWith("/live/") !== true || !asked) return;
    const status = event.detail.xhr?.status || 0, took = Date.now() - asked;
    asked = 0;
    soon();
    if (status >= 200 && status < 300) {
      answered = Date.now(); failures = 0;
      looked(event.detail.xhr.getResponseHeader("X-Looks") || "");
      notBefore = answered + Math.max(0, 250 * Math.sqrt(took) - 1000);
    } else if (status === 404 || status === 403) {
      gone = true; say(chip.dataset.gone);
    } else if (status !== 401) {
      notBefore = Date.now() + Math.min(minute, 5000 * 2 ** failures) * (0.9 + 0.2 * Math.random());
      failures += 1;
      if (failures === 1) setTimeout(retry, notBefore - Date.now());
    }
    draw();
  });
  function retry() {
    if (!failures) return;
    if (Date.now() >= notBefore - 100) ask();
    setTimeout(retry, Math.max(1000, notBefore - Date.now()));
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { touched = Date.now(); ask(); tick(); } });
  for (const kind of ["pointerdown", "keydown", "pointermove"]) document.addEventListener(kind, () => { touched = Date.now(); }, { passive: true });

  // -- what came ----------------------------------------------------------------------------------
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target?.id !== "live") return;
    const element = poller();
    say([...element.querySelectorAll("span")].map((line) => line.textContent).join(". "));
    if (element.dataset.failure) failure = element.dataset.failure;
    entitle();
  });
  // A failure stands in the title and on the icon until somebody is back at the page.
  const title = document.title.replace(/^\(\d+\) /, ""), icon = byId("favicon"), calm = icon?.href;
  let failure = "";
  function entitle() {
    const running = Number(poller()?.dataset.running);
    document.title = failure ? `${failure} · Holdfast` : (running ? `(${running}) ` : "") + title;
    if (icon) icon.href = failure ? icon.dataset.failed : calm;
  }
  for (const kind of ["pointerdown", "keydown"]) {
    document.addEventListener(kind, () => { if (failure) { failure = ""; entitle(); } }, { passive: true });
  }
  document.addEventListener("htmx:responseError", (event) => { if (event.target.id !== "live" && event.detail.xhr.status >= 500) apologise(); });
  document.addEventListener("htmx:sendError", (event) => { if (event.target.id !== "live") apologise(); });
  function apologise() {
    const flash = document.createElement("div"), words = document.createElement("p");
    flash.className = "flash is-danger"; flash.setAttribute("role", "alert");
    words.textContent = chip.dataset.failed; flash.append(words); byId("flashes").append(flash);
  }

  // -- small helps --------------------------------------------------------------------------------
  function help(field) {
    const rule = new RegExp(`^(?:${field.dataset.patternHelp})$`);
    const hint = byId(`${field.id}_helptext`) || byId(field.dataset.patternHint);
    const wrong = field.value !== "" && !rule.test(field.value);
    field.classList.toggle("is-wrong", wrong);
    hint?.classList.toggle("is-wrong", wrong);
  }
  document.addEventListener("input", (event) => { if (event.target.dataset?.patternHelp) help(event.target); });
  document.addEventListener("click", (event) => {
    const flash = event.target.closest(".flash-close");
    if (flash) flash.closest(".flash").remove();
    if (event.target.closest("#freshness-switch")) pause(!paused, true);
  });
  addEventListener("beforeprint", () => {
    const words = byId("print-checked");
    if (words) words.textContent = words.dataset.words.replace("{time}", clock.format(answered));
  });
  setInterval(() => {
    tick();
    if (chip && !paused && Date.now() - touched > idleLimit) pause(true, false);
    for (const flash of document.querySelectorAll(".flash[data-goes-away]")) {
      flash.dataset.age = Number(flash.dataset.age || 0) + 1;
      if (Number(flash.dataset.age) > 10 && !flash.matches(":hover, :focus-within")) flash.remove();
    }
  }, 1000);
  if (chip) { chip.hidden = false; draw(); }
  const nav = document.querySelector(".nav-main"), here = nav?.querySelector("[aria-current]");
  if (here) {
    const strip = nav.getBoundingClientRect(), box = here.getBoundingClientRect(), edge = 48;
    const isSeen = box.left >= strip.left && box.right <= strip.right - (nav.scrollWidth > nav.clientWidth ? edge : 0);
    if (!isSeen) nav.scrollBy({ left: box.left + box.width / 2 - strip.left - strip.width / 2, behavior: "instant" });
  }
  byId("error-summary")?.focus();
})();
