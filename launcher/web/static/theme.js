// Light, dark, or as the browser has it; loaded before the page is drawn, so that nothing flashes.
"use strict";
(() => {
  // Names of its own: classic scripts of one page share theirs.
  const THEMES = ["auto", "light", "dark"];

  function kept() {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto"; // a browser that keeps nothing
    }
  }

  function show(theme) {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) button.textContent = `Theme: ${theme}`;
  }

  show(kept());
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    show(kept());
    button.addEventListener("click", () => {
      const next = THEMES[(THEMES.indexOf(kept()) + 1) % THEMES.length];
      try {
        localStorage.setItem("theme", next);
      } catch {
        // shown, but not kept
      }
      show(next);
    });
  });
})();
