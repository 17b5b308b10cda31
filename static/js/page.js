// Small manners of every page: no polling while nobody looks or somebody reads what is folded out, filters that apply at once, and what went wrong in words.
(() => {
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt } = event.detail;
    if (elt.dataset.poll === "always") return; // somebody listens to it
    if (elt.hasAttribute("data-poll") && (document.hidden || elt.querySelector("details[open]"))) event.preventDefault();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("select")) event.target.closest("form[data-at-once]")?.requestSubmit();
  });

  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  // Where a part of the page is swapped every few seconds, a screen reader hears only what is new.
  const heard = new Map();
  const say = () => {
    for (const line of document.querySelectorAll("[data-says]")) {
      const text = document.getElementById(line.dataset.says)?.textContent ?? "";
      if (heard.has(line) && heard.get(line) !== text) line.textContent = text;
      heard.set(line, text);
    }
  };
  say();
  document.addEventListener("htmx:afterSettle", say);

  const WORDS = {
    0: "The server did not answer. Check the connection and try again.",
    403: "Your role does not allow this, or the page is too old: reload it and try again.",
    404: "This is gone: somebody removed it meanwhile. Reload the page.",
    413: "That is too big to be sent at once. Send fewer or smaller photos.",
  };
  const problem = (event) => {
    if (event.detail.elt.hasAttribute("data-poll")) return; // the state of the connection says it already
    const status = event.detail.xhr?.status ?? 0;
    const box = document.getElementById("problem");
    const text = document.createElement("p");
    text.textContent = WORDS[status] ?? "The server could not do this. Try again; if it happens again, tell an administrator.";
    box.replaceChildren(text);
    setTimeout(() => text.remove(), 12000);
  };
  document.addEventListener("htmx:responseError", problem);
  document.addEventListener("htmx:sendError", problem);
})();
