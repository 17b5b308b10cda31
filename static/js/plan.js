// Cameras on a site plan are dragged, or moved with the arrow keys; where they are is written into the number fields of
// the form, which is what is sent. Without this script the number fields are all there is.
(() => {
  const sheet = document.querySelector("[data-plan] svg");
  if (!sheet) return;
  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const STEP = 0.5, BIG_STEP = 5; // percent
  const { width, height } = sheet.viewBox.baseVal;
  const clamp = (percent) => Math.round(Math.min(100, Math.max(0, percent)) * 100) / 100;
  const fields = (camera) => ["x", "y"].map((axis) => document.getElementById(`id_${axis}-${camera.dataset.camera}`));
  const place = (camera) => fields(camera).map((field) => Number(field.value));
  const show = (camera) => {
    const [x, y] = place(camera);
    camera.setAttribute("transform", `translate(${(x * width) / 100} ${(y * height) / 100})`);
    const name = camera.querySelector("text").textContent;
    camera.setAttribute("aria-label", `${name}: ${Math.round(x)} % from the left, ${Math.round(y)} % from the top`);
  };
  const move = (camera, x, y) => {
    const [left, top] = fields(camera);
    left.value = clamp(x);
    top.value = clamp(y);
    show(camera);
  };

  let drag = null;
  sheet.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const box = sheet.getBoundingClientRect();
    move(drag, ((event.clientX - box.left) / box.width) * 100, ((event.clientY - box.top) / box.height) * 100);
  });
  for (const end of ["pointerup", "pointercancel"]) sheet.addEventListener(end, () => { drag = null; });

  for (const camera of sheet.querySelectorAll("[data-camera]")) {
    camera.setAttribute("tabindex", "0");
    camera.setAttribute("role", "button");
    camera.classList.add("is-movable");
    show(camera);
    for (const field of fields(camera)) field.addEventListener("input", () => show(camera));
    camera.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      event.preventDefault();
      drag = camera;
      sheet.setPointerCapture(event.pointerId);
      camera.focus({ preventScroll: true });
    });
    camera.addEventListener("keydown", (event) => {
      const way = KEYS[event.key];
      if (!way) return;
      event.preventDefault();
      const step = event.shiftKey ? BIG_STEP : STEP;
      const [x, y] = place(camera);
      move(camera, x + way[0] * step, y + way[1] * step);
    });
  }
})();
