// What is drawn on a picture with a mouse, a finger or the keyboard: the parts of it that are ignored (data-drawing is
// "masks", a list of outlines), or a zone ("zone", one outline, or a line where the field named shape says so). What is
// drawn is written into the text field below, which is what is sent; without this script the text field is all there is.
(() => {
  const box = document.querySelector("[data-drawing]");
  if (!box) return;
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 1000, STEP = 0.01, BIG_STEP = 0.05, ARROW = 26;
  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const field = box.querySelector("textarea"), shape = box.closest("form").querySelector("[name=shape]");
  const isMany = box.dataset.drawing === "masks", most = isMany ? 20 : 1, part = box.dataset.name;
  const isLine = () => shape?.value === "line";
  const least = () => (isLine() ? 2 : 3), mostCorners = () => (isLine() ? 16 : 64);
  const clamp = (value) => Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4;
  const read = () => {
    try {
      const typed = JSON.parse(field.value || "[]"), found = isMany || !typed.length ? typed : [typed];
      const isCorner = (corner) => Array.isArray(corner) && corner.length === 2 && corner.every(Number.isFinite);
      return found.every((mask) => mask.length >= least() && mask.every(isCorner)) ? found : null;
    } catch { return null; }
  };
  let masks = read() ?? [], chosen = 0, height = (WIDTH * 9) / 16;

  const make = (name, attributes = {}, parent = null, namespace = null) => {
    const made = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    parent?.append(made);
    return made;
  };
  const draw = (name, attributes, parent) => make(name, attributes, parent, SVG);

  const editor = make("div", { class: "masks" });
  const stage = make("div", { class: "masks__stage" }, editor);
  const picture = make("img", { alt: box.dataset.still ? "The plan, to draw on" : "The camera's picture, to draw on", width: 1280, height: 720, draggable: "false" }, stage);
  const sheet = draw("svg", { class: "masks__sheet", role: "group", "aria-label": isMany ? "Ignored parts" : part, preserveAspectRatio: "none" }, stage);
  const tools = make("div", { class: "actions" }, editor);
  const tool = (text) => {
    const button = make("button", { type: "button", class: "button button--small" }, tools);
    button.textContent = text;
    return button;
  };
  const add = tool(isMany ? "Add a part" : "Draw it"), remove = tool("Remove it"), again = box.dataset.picture ? tool("New picture") : null;
  const help = make("p", { class: "help" }, editor);
  const said = make("p", { class: "sr-only", role: "status" }, editor);
  const text = make("details", {}, editor);
  make("summary", {}, text).textContent = "As coordinates";
  help.textContent = "Drag corners; drag the small dots between them to add a corner; drag the inside to move it all. " +
    "With the keyboard: Tab to a part or corner, arrow keys move it (Shift: further), Enter on a dot adds a corner, Delete removes.";
  const outer = field.closest(".field");
  outer.insertBefore(editor, outer.querySelector("label").nextSibling);
  text.append(field);

  const point = (event) => {
    const { left, top, width, height: tall } = sheet.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / tall];
  };
  // Which corner comes after c; the last corner of a line has none.
  const after = (mask, c) => (isLine() ? c + 1 : (c + 1) % mask.length);
  const middle = ([x1, y1], [x2, y2]) => [clamp((x1 + x2) / 2), clamp((y1 + y2) / 2)];
  const shift = (mask, dx, dy) => {
    const xs = mask.map((c) => c[0]), ys = mask.map((c) => c[1]);
    const x = Math.min(1 - Math.max(...xs), Math.max(-Math.min(...xs), dx));
    const y = Math.min(1 - Math.max(...ys), Math.max(-Math.min(...ys), dy));
    for (const corner of mask) { corner[0] = clamp(corner[0] + x); corner[1] = clamp(corner[1] + y); }
  };
  const write = () => {
    field.value = masks.length ? JSON.stringify(isMany ? masks : masks[0]) : "";
    remove.disabled = !masks.length;
    add.disabled = masks.length >= most;
  };

  // Everything that can be held has a name, so that the focus stays on it when all is drawn anew.
  const show = (focus = document.activeElement?.dataset?.handle) => {
    sheet.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
    sheet.replaceChildren();
    chosen = Math.min(chosen, Math.max(0, masks.length - 1));
    const unit = WIDTH / (sheet.clientWidth || WIDTH); // corners are as large on a phone
    const isFinger = matchMedia("(pointer: coarse)").matches;
    masks.forEach((mask, m) => {
      const corners = mask.map(([x, y]) => `${x * WIDTH},${y * height}`).join(" ");
      const label = `${isMany ? `${part} ${m + 1}` : part}, ${mask.length} ${isLine() ? "points" : "corners"}`;
      const look = `mask${m === chosen ? " is-chosen" : ""}${isLine() ? " mask--line" : ""}${isMany ? "" : " mask--zone"}`;
      hold(draw(isLine() ? "polyline" : "polygon", { points: corners, class: look, "aria-label": label }, sheet), m, null, `${m}`);
      if (isLine()) direct(mask, unit);
      if (m !== chosen) return;
      mask.forEach((corner, c) => {
        if (mask.length < mostCorners() && after(mask, c) < mask.length) {
          const [x, y] = middle(corner, mask[after(mask, c)]);
          dot(x, y, (isFinger ? 9 : 5) * unit, "mask__between", `Add a corner after corner ${c + 1}`, m, c, `${m}+${c}`);
        }
        const where = `${Math.round(corner[0] * 100)} % from the left, ${Math.round(corner[1] * 100)} % from the top`;
        dot(corner[0], corner[1], (isFinger ? 14 : 8) * unit, "mask__corner", `Corner ${c + 1}: ${where}`, m, c, `${m}.${c}`);
      });
    });
    write();
    if (focus) sheet.querySelector(`[data-handle="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
  };
  // Which way a line goes, and which side of it is which for who goes along it.
  const direct = (mask, unit) => {
    const at = ([x, y]) => [x * WIDTH, y * height];
    const along = (a, b) => {
      const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1;
      return [(b[0] - a[0]) / length, (b[1] - a[1]) / length];
    };
    const [from, to] = mask.slice(-2).map(at), [dx, dy] = along(from, to), size = ARROW * unit;
    const wing = (side) => `${to[0] - size * (dx + side * dy / 2)},${to[1] - size * (dy - side * dx / 2)}`;
    draw("polygon", { points: `${to.join()} ${wing(1)} ${wing(-1)}`, class: "mask__arrow" }, sheet);
    const [a, b] = mask.slice(0, 2).map(at), [ux, uy] = along(a, b);
    for (const [side, words] of [[-1, "left"], [1, "right"]]) {
      const x = (a[0] + b[0]) / 2 - side * uy * 48 * unit, y = (a[1] + b[1]) / 2 + side * ux * 32 * unit;
      draw("text", { x, y, class: "mask__side", "font-size": 20 * unit, "text-anchor": "middle", "dominant-baseline": "middle" }, sheet).textContent = words;
    }
  };
  const dot = (x, y, r, name, label, m, c, handle) => {
    hold(draw("circle", { cx: x * WIDTH, cy: y * height, r, class: name, "aria-label": label }, sheet), m, c, handle);
  };
  const hold = (shape, m, c, handle) => {
    shape.setAttribute("tabindex", "0");
    shape.setAttribute("role", "button");
    Object.assign(shape.dataset, { handle, m, c: c ?? "" });
  };
  const held = (shape) => ({ m: Number(shape.dataset.m), c: shape.dataset.c === "" ? null : Number(shape.dataset.c), isBetween: shape.classList.contains("mask__between") });
  const insert = (m, c) => {
    masks[m].splice(c + 1, 0, middle(masks[m][c], masks[m][after(masks[m], c)]));
    return c + 1;
  };

  let drag = null;
  sheet.addEventListener("pointerdown", (event) => {
    if (!event.target.dataset.handle || event.button > 0) return;
    event.preventDefault();
    const { m, c, isBetween } = held(event.target);
    chosen = m;
    drag = { m, c: isBetween ? insert(m, c) : c, from: point(event) };
    sheet.setPointerCapture(event.pointerId);
    show(drag.c === null ? `${m}` : `${m}.${drag.c}`);
  });
  sheet.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [x, y] = point(event);
    if (drag.c === null) shift(masks[drag.m], x - drag.from[0], y - drag.from[1]);
    else masks[drag.m][drag.c] = [clamp(x), clamp(y)];
    drag.from = [x, y];
    show();
  });
  for (const end of ["pointerup", "pointercancel"]) sheet.addEventListener(end, () => { drag = null; });

  sheet.addEventListener("focusin", (event) => {
    const m = Number(event.target.dataset.m);
    if (!drag && m !== chosen) { chosen = m; show(event.target.dataset.handle); }
  });
  sheet.addEventListener("keydown", (event) => {
    if (!event.target.dataset.handle) return;
    const { m, c, isBetween } = held(event.target);
    const step = event.shiftKey ? BIG_STEP : STEP;
    if (KEYS[event.key] && !isBetween) {
      const [dx, dy] = KEYS[event.key].map((way) => way * step);
      if (c === null) shift(masks[m], dx, dy);
      else masks[m][c] = [clamp(masks[m][c][0] + dx), clamp(masks[m][c][1] + dy)];
      show();
    } else if ((event.key === "Enter" || event.key === " ") && isBetween) {
      show(`${m}.${insert(m, c)}`);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      if (c === null || isBetween || masks[m].length <= least()) drop(m);
      else { masks[m].splice(c, 1); show(`${m}.${Math.min(c, masks[m].length - 1)}`); }
    } else return;
    event.preventDefault();
  });

  const drop = (m) => {
    masks.splice(m, 1);
    said.textContent = isMany ? `Removed. ${masks.length} left.` : "Removed.";
    show(masks.length ? `${Math.max(0, m - 1)}` : "");
    if (!masks.length) add.focus();
  };
  const square = (off) => [[0.3 + off, 0.3 + off], [0.6 + off, 0.3 + off], [0.6 + off, 0.6 + off], [0.3 + off, 0.6 + off]];
  const line = () => [[0.5, 0.25], [0.5, 0.75]];
  shape?.addEventListener("change", () => {
    if (masks.length) masks = [isLine() ? line() : square(0)];
    show("");
  });
  add.addEventListener("click", () => {
    const off = (masks.length % 5) * 0.04;
    masks.push(isLine() ? line() : square(off));
    chosen = masks.length - 1;
    said.textContent = isMany ? `Part ${masks.length} added.` : "Drawn. Move its corners.";
    show(`${chosen}`);
  });
  remove.addEventListener("click", () => { if (masks.length) drop(chosen); });
  field.addEventListener("input", () => {
    const typed = read();
    if (!typed) return;
    const text = field.value;
    masks = typed;
    show("");
    field.value = text;
  });

  // Where nobody looked until now, the camera's worker makes a picture within seconds; until then there is a drawing.
  const load = async (event, left = 12) => {
    const url = box.dataset.picture;
    if (!url) return;
    const answer = await fetch(`${url}?poll`, { method: "HEAD" }).catch(() => null);
    const isThere = answer?.status === 200;
    if (isThere || !picture.src) picture.src = `${url}?now=${Date.now()}`;
    if (!isThere && left) setTimeout(load, 700, event, left - 1);
  };
  picture.addEventListener("load", () => {
    if (picture.naturalWidth) height = (WIDTH * picture.naturalHeight) / picture.naturalWidth;
    stage.hidden = false;
    show();
  });
  again?.addEventListener("click", load);
  addEventListener("resize", () => show());
  // A tested source shows its picture: it is what is drawn on where the camera has none yet.
  document.addEventListener("htmx:afterSettle", () => {
    const tested = document.querySelector("#probe img");
    if (tested && tested.src !== picture.src) picture.src = tested.src;
  });
  stage.hidden = !box.dataset.picture && !box.dataset.still;
  if (box.dataset.still) picture.src = box.dataset.still;
  load();
  show("");
})();

// A slider says its number beside its name.
(() => {
  for (const slider of document.querySelectorAll('input[type="range"]')) {
    const shown = document.createElement("output");
    shown.className = "slider-value num";
    shown.htmlFor = slider.id;
    slider.closest(".field").querySelector("label").append(" ", shown);
    const write = () => { shown.textContent = slider.value; };
    slider.addEventListener("input", write);
    write();
  }
})();
