// Photos to send: drag and drop, thumbnails, what is obviously too big, and the upload's progress.
(() => {
  const prepare = (drop) => {
    if (drop.dataset.ready) return;
    drop.dataset.ready = "1";
    const input = drop.querySelector("input[type=file]");
    const thumbs = drop.querySelector(".thumbs");
    const limit = Number(input.dataset.maxMb) * 2 ** 20;

    const show = () => {
      for (const image of thumbs.querySelectorAll("img")) URL.revokeObjectURL(image.src);
      thumbs.replaceChildren(...[...input.files].slice(0, 24).map((file) => {
        const figure = document.createElement("figure");
        const image = new Image();
        image.src = URL.createObjectURL(file);
        image.alt = "";
        const caption = document.createElement("figcaption");
        const tooBig = file.size > limit;
        caption.textContent = tooBig ? `Over ${input.dataset.maxMb} MB` : file.name;
        caption.title = file.name;
        figure.classList.toggle("is-wrong", tooBig);
        figure.append(image, caption);
        return figure;
      }));
    };
    input.addEventListener("change", show);
    for (const kind of ["dragenter", "dragover"]) {
      drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("is-over"); });
    }
    for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("is-over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      const both = new DataTransfer();
      const dropped = [...event.dataTransfer.files].filter((file) => file.type.startsWith("image/"));
      for (const file of input.multiple ? [...input.files, ...dropped] : dropped.slice(0, 1)) both.items.add(file);
      if (both.files.length) { input.files = both.files; show(); }
    });
  };

  const all = () => document.querySelectorAll(".drop").forEach(prepare);
  all();
  document.addEventListener("htmx:afterSettle", all);

  document.addEventListener("htmx:beforeRequest", (event) => {
    const box = event.target.querySelector?.(".progress");
    if (!box) return;
    box.hidden = false;
    box.querySelector("progress").value = 0;
    box.querySelector("span").textContent = "Sending…";
  });
  document.addEventListener("htmx:xhr:progress", (event) => {
    const box = event.target.querySelector?.(".progress");
    const { loaded, total, lengthComputable } = event.detail;
    if (!box || !lengthComputable) return;
    const bar = box.querySelector("progress");
    if (loaded < total) bar.value = loaded / total;
    else bar.removeAttribute("value");
    box.querySelector("span").textContent =
      loaded < total ? `Sending, ${Math.round((100 * loaded) / total)} %` : "Looking for the faces…";
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const box = event.target.querySelector?.(".progress");
    if (box) box.hidden = true;
  });
})();
