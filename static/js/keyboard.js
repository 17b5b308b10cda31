// Lists of alerts by keyboard: j and k go through them, and one key each opens, acknowledges, confirms, dismisses, selects.
// Keys are left alone while somebody writes, chooses or reads a dialog, and together with Ctrl, Alt or Meta.
(() => {
  const list = document.getElementById("alert-list");
  const help = document.getElementById("keys"), dismiss = document.getElementById("dismiss");
  const hint = document.getElementById("keys-open");
  if (!list || !help) return;
  const address = (name, item) => dismiss?.dataset[name]?.replace("/0/", `/${item.dataset.id}/`);
  const current = () => document.activeElement?.closest?.("#alert-list > .alert") ?? list.querySelector(":scope > .is-current");
  const isOpen = (item) => ["new", "acknowledged"].includes(item.dataset.state);
  let about = null;

  const go = (item) => {
    if (!item?.matches(".alert")) return;
    for (const other of list.querySelectorAll(".is-current")) other.classList.remove("is-current");
    item.classList.add("is-current");
    item.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest" });
  };
  const step = (way) => {
    const items = [...list.querySelectorAll(":scope > .alert")];
    const at = items.indexOf(current());
    go(at < 0 ? items[0] : items[at + way]);
  };

  // The answer is the alert as it is now, and why it could not be done where it could not.
  const send = (name, item, values = {}) =>
    htmx.ajax("POST", address(name, item), { source: item, target: item, swap: "outerHTML", values });

  const confirm = (item) => {
    if (!dismiss || !isOpen(item)) return;
    if (item.classList.contains("is-lead")) location.assign(`${item.querySelector(".alert__name a").href}#review`);
    else send("confirm", item);
  };
  const ask = (item) => {
    if (!dismiss || !isOpen(item)) return;
    about = item.dataset.id;
    dismiss.querySelector("form").reset();
    document.getElementById("dismiss-about").textContent = item.querySelector(".alert__name a").textContent;
    dismiss.showModal();
  };
  const pick = (item) => {
    const box = item.querySelector("input[type=checkbox]");
    if (box) { box.checked = !box.checked; counted(); }
  };
  const counted = () => {
    const number = list.querySelectorAll(".alert input[type=checkbox]:checked").length;
    const line = document.getElementById("alert-picked");
    if (line) line.textContent = number ? `${number} selected` : "";
  };

  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    a: (item) => item.querySelector(".alert__foot form")?.requestSubmit(),
    c: confirm,
    d: ask,
    x: pick,
    Enter: (item) => item.querySelector(".alert__name a").click(),
    A: () => document.getElementById("alert-bulk")?.requestSubmit(),
    "?": () => help.showModal(),
  };
  const FREE = ["j", "k", "A", "?"]; // need no current alert

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || document.querySelector("dialog[open]")) return;
    const at = event.target;
    if (at.closest("input:not([type=checkbox]), select, textarea, [contenteditable]")) return;
    if (event.key === "Enter" && at !== current()) return; // a link or a button: its own
    const act = KEYS[event.key];
    const item = current();
    if (!act || (!item && !FREE.includes(event.key))) return;
    event.preventDefault();
    act(item);
  });

  document.addEventListener("focusin", (event) => {
    const item = event.target.closest("#alert-list > .alert");
    if (item && !item.classList.contains("is-current")) {
      for (const other of list.querySelectorAll(".is-current")) other.classList.remove("is-current");
      item.classList.add("is-current");
    }
  });
  list.addEventListener("change", counted);
  document.addEventListener("alerts:placed", counted);
  dismiss?.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(event.target));
    const item = document.getElementById(`alert-${about}`);
    dismiss.close();
    if (item) { go(item); send("dismiss", item, values); }
  });
  dismiss?.querySelector("[data-close]").addEventListener("click", () => dismiss.close());
  hint.hidden = false;
  hint.addEventListener("click", () => help.showModal());
})();
