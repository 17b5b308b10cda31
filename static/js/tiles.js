// Live pictures. All that are in sight come over one WebSocket, because a browser opens only six HTTP connections to a
// host; every picture is acknowledged, so that a slow page gets fewer and never old ones. Where the WebSocket does not
// come up, each picture is asked for by itself. Nothing is asked for while nobody looks at the page.
(() => {
  const STALE_MS = 3000, PAUSE_MS = 3000, SILENT_MS = 14000, RETRY_MS = 15000;
  const HEADER_BYTES = 16, PICTURE = 1;
  const FINAL = [4401, 4403]; // signed out, not allowed any more
  const tiles = new Set();
  const inSight = new WeakSet();
  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) inSight.add(target);
      else inSight.delete(target);
      for (const tile of tiles) if (tile.image === target) tile.came = performance.now(); // nothing was asked for before
    }
    changed();
  });

  class Tile {
    constructor(image) {
      this.image = image;
      this.camera = image.closest("[data-camera]").dataset.camera;
      this.veil = image.closest("[data-camera]").querySelector(".tile__veil");
      this.fps = Number(image.dataset.fps) || 2;
      this.tag = "";
      this.came = performance.now();
      this.busy = false;
      this.notBefore = 0;
    }

    get isOff() { return document.getElementById(`camera-${this.camera}-state`)?.dataset.group === "off"; }
    get isWanted() { return !document.hidden && inSight.has(this.image) && !this.isOff; }

    cover() {
      const ms = performance.now() - this.came;
      const text = this.url ? `Picture is ${Math.round(ms / 1000)} s old` : "No live picture";
      this.veil.hidden = this.isOff || ms < STALE_MS;
      if (!this.veil.hidden && this.veil.textContent !== text) this.veil.textContent = text;
    }

    async show(blob) {
      const url = URL.createObjectURL(blob);
      const last = this.url;
      this.image.src = url;
      try { await this.image.decode(); } finally { if (last) URL.revokeObjectURL(last); }
      this.url = url;
      this.came = performance.now();
    }

    async poll() {
      if (this.busy || !this.isWanted || performance.now() < this.notBefore) return;
      this.busy = true;
      this.notBefore = performance.now() + Math.max(500, 1000 / this.fps) - 60;
      try {
        const response = await fetch(`${this.image.dataset.live}?poll`, {
          cache: "no-store", headers: this.tag ? { "If-None-Match": this.tag } : {}, redirect: "error",
          signal: AbortSignal.timeout(8000),
        });
        if (response.status === 200) {
          await this.show(await response.blob());
          this.tag = response.headers.get("ETag") ?? "";
        }
      } catch {
        this.notBefore = performance.now() + PAUSE_MS; // the veil says how old the last picture is
      }
      this.busy = false;
    }
  }

  let socket = null, shown = "", heard = 0, tries = 0, notBefore = 0, refused = false, planned = false;

  const wanted = () => {
    const rates = {};
    for (const tile of tiles) if (tile.isWanted) rates[tile.camera] = Math.max(rates[tile.camera] ?? 0, tile.fps);
    return rates;
  };
  const say = (message) => { if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message)); };
  const isOpen = () => socket?.readyState === WebSocket.OPEN && performance.now() - heard < SILENT_MS;

  // What is shown is said once for many changes at a time: a page that scrolls changes it with every tile.
  const changed = () => {
    if (planned) return;
    planned = true;
    setTimeout(() => {
      planned = false;
      const rates = wanted(), text = JSON.stringify(rates);
      if (!Object.keys(rates).length) {
        if (document.hidden) leave();
        else if (socket && text !== shown) say({ show: rates });
      } else if (!socket) connect();
      else if (text !== shown) say({ show: rates });
      shown = text;
    }, 60);
  };

  const leave = () => {
    socket?.close();
    socket = null;
  };

  const connect = () => {
    if (refused || performance.now() < notBefore) return;
    const opened = new WebSocket(`${location.origin.replace(/^http/, "ws")}/ws/live/`);
    socket = opened;
    opened.binaryType = "arraybuffer";
    opened.onopen = () => {
      heard = performance.now();
      shown = JSON.stringify(wanted());
      say({ show: wanted() });
    };
    opened.onmessage = (event) => {
      heard = performance.now();
      tries = 0;
      if (typeof event.data !== "string") take(opened, event.data);
    };
    opened.onclose = (event) => {
      if (FINAL.includes(event.code)) refused = true;
      if (socket !== opened) return;
      socket = null;
      notBefore = performance.now() + Math.min(RETRY_MS, 500 * 2 ** tries++) * (0.6 + Math.random() * 0.4);
    };
  };

  const take = async (from, data) => {
    const head = new DataView(data);
    if (head.getUint8(0) !== PICTURE) return;
    const camera = String(head.getBigUint64(8));
    const blob = new Blob([new Uint8Array(data, HEADER_BYTES)], { type: "image/jpeg" });
    const showing = [...tiles].filter((tile) => tile.camera === camera && !tile.busy);
    await Promise.allSettled(showing.map((tile) => tile.show(blob)));
    if (from.readyState === WebSocket.OPEN) from.send(JSON.stringify({ seen: [Number(camera)] }));
  };

  const find = () => {
    for (const image of document.querySelectorAll("img[data-live]")) {
      if ([...tiles].some((tile) => tile.image === image)) continue;
      tiles.add(new Tile(image));
      watcher.observe(image);
    }
    for (const tile of tiles) {
      if (tile.image.isConnected) continue;
      tiles.delete(tile);
      watcher.unobserve(tile.image);
      if (tile.url) URL.revokeObjectURL(tile.url);
    }
    changed();
  };

  const turn = () => {
    if (socket?.readyState === WebSocket.OPEN && performance.now() - heard > SILENT_MS) leave(); // open, but dead
    if (!isOpen() && (tries > 1 || refused)) for (const tile of tiles) tile.poll();
    for (const tile of tiles) tile.cover();
    find();
  };

  document.addEventListener("visibilitychange", changed);
  document.addEventListener("htmx:afterSettle", find);
  addEventListener("pagehide", leave);
  setInterval(turn, 500);
  find();
})();
