// Keeps the page in touch with alerts: says what it shows when it connects, shows whether it still hears anything,
// and keeps the counter in the title. The WebSocket itself and the swapping are HTMX's.
(() => {
  const chip = document.getElementById("live");
  if (!chip) return;
  const SILENT_MS = 14000; // the server speaks every 5 s
  const said = document.getElementById("live-said");
  const title = document.title;
  const FINAL = { 4401: "You are signed out. Reload to sign in.", 4403: "Your account may not see alerts any more." };
  const BY_HTMX = [1006, 1011, 1012, 1013]; // after these codes HTMX connects again by itself
  let socket = null, wrapper = null, heard = performance.now(), state = "connecting", final = null, tries = 0;

  htmx.config.wsReconnectDelay = (n) => Math.min(6000, 400 * 2 ** n) * (0.6 + Math.random() * 0.4);

  const hello = () => {
    const list = document.getElementById("alert-list");
    const ids = (selector) => [...list.querySelectorAll(selector)].map((item) => Number(item.dataset.id));
    const said = { since: Number(document.getElementById("alert-cursor").value), feed: null };
    if (list && list.dataset.feed) {
      said.feed = JSON.parse(list.dataset.feed);
      said.keep = Number(list.dataset.keep);
      said.shown = ids(":scope > [data-id]");
      said.open = ids(":scope > .is-new");
      const changing = [...list.querySelectorAll(":scope > [data-version]")];
      said.versions = changing.map((item) => [Number(item.dataset.id), Number(item.dataset.version)]);
    } else if (list) {
      said.open = ids(":scope > .is-new");
    }
    return JSON.stringify(said);
  };

  const show = (next, text) => {
    chip.textContent = text;
    if (next === state) return;
    state = chip.dataset.state = next;
    said.textContent = next === "live" ? "Connected: alerts arrive live." : text;
  };

  const refresh = () => {
    if (final) return show("lost", final);
    const silent = performance.now() - heard;
    if (socket?.readyState === WebSocket.OPEN && silent < SILENT_MS) return show("live", "Live");
    if (state === "connecting" && silent < 3000) return;
    show("lost", `Disconnected ${Math.round(silent / 1000)} s ago, trying again`);
    if (socket?.readyState === WebSocket.OPEN && silent > SILENT_MS * 2) {
      heard = performance.now() - SILENT_MS; // a connection that is open but dead: once more in a while
      wrapper.reconnect();
    }
  };

  const counter = () => {
    const count = document.getElementById("alert-count")?.textContent.trim();
    document.title = count ? `(${count}) ${title}` : title;
  };

  document.addEventListener("htmx:wsOpen", (event) => {
    socket = event.detail.event.target;
    wrapper = event.detail.socketWrapper;
    tries = 0;
    wrapper.send(hello());
  });
  document.addEventListener("htmx:wsClose", (event) => {
    const closed = event.detail.event;
    if (socket && closed.target !== socket && socket.readyState <= WebSocket.OPEN) return; // one that was replaced
    final = FINAL[closed.code] ?? null;
    refresh();
    if (!final && !BY_HTMX.includes(closed.code)) {
      const again = event.detail.socketWrapper ?? wrapper;
      setTimeout(() => again.reconnect(), htmx.config.wsReconnectDelay(tries++));
    }
  });
  document.addEventListener("htmx:wsAfterMessage", () => {
    heard = performance.now();
    refresh();
    counter();
  });

  const announcer = document.getElementById("announcer");
  let hide = 0;
  new MutationObserver(() => {
    clearTimeout(hide);
    if (announcer.childElementCount) hide = setTimeout(() => announcer.replaceChildren(), 12000);
  }).observe(announcer, { childList: true });

  counter();
  setInterval(refresh, 1000);
})();
