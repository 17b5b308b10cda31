// Applies the chosen theme before the first paint. "auto", the default, follows the system.
(() => {
  const root = document.documentElement;
  const apply = (theme) => {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
  };
  const stored = () => {
    try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; }
  };
  apply(stored());

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-toggle]");
    if (!button) return;
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    // From "auto" the first press always changes what is seen.
    const next = { auto: dark ? "light" : "dark", light: dark ? "auto" : "dark", dark: dark ? "light" : "auto" }[stored()];
    try { localStorage.setItem("theme", next); } catch { /* private window: for this page only */ }
    apply(next);
    button.setAttribute("aria-label", `Theme: ${next}. Change it`);
  });
})();
