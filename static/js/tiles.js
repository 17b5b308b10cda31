// Live pictures: twice a second for tiles in sight, while the page is visible, one request under way a tile.
(() => {
  const EVERY_MS = 500, STALE_MS = 3000, PAUSE_MS = 3000;
  const inSight = new WeakSet();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) inSight.add(target);
      else inSight.delete(target);
    }
  });

  const start = (image) => {
    const tile = image.closest("[data-camera]");
    const veil = tile.querySelector(".tile__veil");
    let tag = "", changed = performance.now(), busy = false, shown = null, notBefore = 0;

    const state = () => document.getElementById(`camera-${tile.dataset.camera}-state`)?.dataset.state;
    const cover = () => {
      const seconds = Math.round((performance.now() - changed) / 1000);
      const text = tag ? `Picture is ${seconds} s old` : "No live picture";
      veil.hidden = state() === "off" || performance.now() - changed < STALE_MS;
      if (!veil.hidden && veil.textContent !== text) veil.textContent = text;
    };
    const load = async () => {
      const response = await fetch(`${image.dataset.live}?poll`, {
        cache: "no-store", headers: tag ? { "If-None-Match": tag } : {}, redirect: "error", signal: AbortSignal.timeout(8000),
      });
      if (response.status !== 200) return;
      const url = URL.createObjectURL(await response.blob());
      image.src = url;
      await image.decode();
      if (shown) URL.revokeObjectURL(shown);
      shown = url;
      tag = response.headers.get("ETag") ?? "";
      changed = performance.now();
    };
    const turn = async () => {
      if (!image.isConnected) return clearInterval(timer);
      if (!document.hidden && inSight.has(image) && !busy && state() !== "off" && performance.now() > notBefore) {
        busy = true;
        // The server is away, or the picture was cut short: the veil says how old the last one is.
        try { await load(); } catch { notBefore = performance.now() + PAUSE_MS; }
        busy = false;
      }
      cover();
    };
    const timer = setInterval(turn, EVERY_MS);
    watcher.observe(image);
  };

  for (const image of document.querySelectorAll("img[data-live]")) start(image);
})();
