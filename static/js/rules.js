// The form of a rule shows what fits its kind; steps come one by one; people who are found stay when they are ticked.
(() => {
  const form = document.getElementById("rule-form");
  if (!form) return;
  const words = (text) => (text ?? "").split(" ").filter(Boolean);
  const fits = (element, trigger, who) => {
    const { fits: only, misfits, whom } = element.dataset;
    return (!only || words(only).includes(trigger)) && !words(misfits).includes(trigger) && (!whom || words(whom).includes(who));
  };

  const show = () => {
    const trigger = form.elements.trigger.value;
    const who = form.elements.who.value;
    for (const element of form.querySelectorAll("[data-fits], [data-misfits], [data-whom]")) {
      element.hidden = !fits(element, trigger, who) && !element.querySelector(":scope .errors");
    }
    const placed = form.querySelector('[name="where"]:checked')?.value === "places";
    form.querySelector("[data-placed]").hidden = !placed;
    const wanted = trigger === "crosses" ? "line" : "area";
    for (const pick of form.querySelectorAll("[data-kind]")) {
      pick.hidden = pick.dataset.kind !== wanted && !pick.querySelector("input").checked;
    }
  };
  form.addEventListener("change", (event) => {
    if (["trigger", "who", "where"].includes(event.target.name)) show();
  });
  show();

  // Steps that nobody has begun wait until they are asked for.
  const blanks = [...form.querySelectorAll("[data-blank]")];
  for (const step of blanks) step.hidden = true;
  const more = form.querySelector("[data-add-step]");
  const offer = () => { more.hidden = !blanks.some((step) => step.hidden); };
  more.addEventListener("click", () => {
    const next = blanks.find((step) => step.hidden);
    next.hidden = false;
    next.querySelector("input").focus();
    offer();
  });
  offer();

  form.addEventListener("change", (event) => {
    const found = event.target.closest("[data-found]");
    if (!found || !event.target.checked) return;
    const chosen = form.querySelector(`[data-chosen="${found.dataset.found}"]`);
    chosen.append(event.target.closest(".pick"));
    chosen.hidden = false;
    event.target.focus();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.type === "search") event.preventDefault(); // it searches as one types
  });

  // What was looked at is no preview of what is typed after it.
  form.addEventListener("input", (event) => {
    const box = document.getElementById("preview");
    if (box.contains(event.target) || !box.querySelector("[name=previewed]")) return;
    box.dataset.stale = "";
  });
})();
