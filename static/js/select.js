// Selecting rows: all on the page with one box, how many there are, and none lost when the list is
// brought up to date. Without this file the boxes work as boxes do.
(() => {
  "use strict";
  const boxes = () => [...document.querySelectorAll("#selection tbody input[type=checkbox]")];
  const chosen = new Set();
  function show() {
    const here = boxes(), all = document.getElementById("pick-all"), words = document.getElementById("selected-words");
    const number = here.filter((box) => box.checked).length;
    if (all) {
      all.hidden = false;
      all.checked = number > 0 && number === here.length;
      all.indeterminate = number > 0 && number < here.length;
    }
    if (words) words.textContent = number ? words.dataset.words.replace("{n}", number) : "";
  }
  function remember() {
    for (const box of boxes()) { if (box.checked) chosen.add(box.value); else chosen.delete(box.value); }
    show();
  }
  function restore() {
    for (const box of boxes()) box.checked = chosen.has(box.value);
    show();
  }
  document.addEventListener("change", (event) => {
    if (event.target.id === "pick-all") for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.closest("#selection")) remember();
  });
  for (const name of ["htmx:afterSwap", "htmx:oobAfterSwap"]) document.addEventListener(name, restore);
  document.addEventListener("DOMContentLoaded", remember);
  remember();
})();
