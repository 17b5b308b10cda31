// Keeps the page in touch with alerts: says what it knows when it connects, puts what comes at its place in the list,
// shows whether it still hears anything, and keeps the counters. The WebSocket and the swapping are HTMX's.
//
// For others on the page: "alerts:rang" is dispatched with {id, severity, text, href} when something new is worth a
// sound, and "alerts:placed" after the list has changed.
(() => {
  const chip = document.getElementById("live");
  if (!chip) return;
  const SILENT_MS = 14000; // the server speaks every 5 s
  const SEEN_MS = 300;
  const said = document.getElementById("live-said");
  const stale = document.getElementById("alerts-stale");
  const title = document.title;
  const FINAL = { 4401: "You are signed out. Reload to sign in.", 4403: "Your account may not see alerts any more." };
  const BY_HTMX = [1006, 1011, 1012, 1013]; // after these codes HTMX connects again by itself
  let socket = null, wrapper = null, heard = performance.now(), heardAt = new Date(), state = "connecting", final = null, tries = 0;
  let taken = 0, saying = 0;

  htmx.config.wsReconnectDelay = (n) => Math.min(6000, 400 * 2 ** n) * (0.6 + Math.random() * 0.4);

  const theList = () => document.getElementById("alert-list");
  const hello = () => {
    const cursor = document.getElementById("alert-cursor");
    const list = theList();
    return JSON.stringify({
      since: Number(cursor.value),
      newest: Number(cursor.dataset.newest),
      feed: list ? JSON.parse(list.dataset.feed) : null,
      keep: list ? Number(list.dataset.keep) : undefined,
      acknowledges: true,
    });
  };

  // What has arrived is said a few times a second at most: the server waits for it before it sends much more.
  const seen = () => {
    saying = 0;
    if (socket?.readyState === WebSocket.OPEN && taken) wrapper.send(JSON.stringify({ seen: taken }));
    taken = 0;
  };

  const show = (next, text) => {
    chip.textContent = text;
    if (next === state) return;
    state = chip.dataset.state = document.documentElement.dataset.live = next;
    said.textContent = next === "live" ? "Connected: alerts arrive live." : text;
    if (!stale) return;
    stale.hidden = next !== "lost";
    stale.querySelector("[data-heard]").textContent = heardAt.toLocaleTimeString();
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

  const counters = () => {
    const count = document.getElementById("alert-count")?.textContent.trim();
    document.title = count ? `(${count}) ${title}` : title;
    const totals = document.getElementById("alert-totals").dataset;
    for (const part of document.querySelectorAll("[data-count-of]")) part.textContent = totals[part.dataset.countOf] ?? "0";
  };

  const ring = (item) => {
    const link = item.querySelector("a");
    document.dispatchEvent(new CustomEvent("alerts:rang", {
      detail: { id: item.dataset.id ?? item.dataset.alert, severity: item.dataset.severity, text: item.textContent.trim().replace(/\s+/g, " "), href: link?.href },
    }));
  };

  // An alert that is shown already: in its place. A name that came, or a trouble that came again, is news once more.
  const replace = (old, item) => {
    const again = (item.dataset.named ?? "") !== (old.dataset.named ?? "") || (item.classList.contains("is-new") && !old.classList.contains("is-new"));
    const picked = old.querySelector("input[type=checkbox]:checked");
    const focused = old.contains(document.activeElement);
    if (old.classList.contains("is-current")) item.classList.add("is-current");
    old.replaceWith(item);
    const box = item.querySelector("input[type=checkbox]");
    if (picked && box) box.checked = true;
    if (focused) item.focus({ preventScroll: true });
    if (!again) return;
    item.classList.add("is-fresh");
    const about = document.createElement("p");
    about.append(item.querySelector(".alert__name").textContent.trim(), ": changed");
    document.getElementById("announcer").replaceChildren(about);
    ring(item);
  };

  const remove = (item) => {
    const focused = item.contains(document.activeElement) || item.classList.contains("is-current");
    const next = item.nextElementSibling?.matches(".alert") ? item.nextElementSibling : item.previousElementSibling;
    item.remove();
    if (!focused || !next?.matches(".alert")) return;
    next.classList.add("is-current");
    next.focus({ preventScroll: true });
  };

  // By its id among those that are there: newest first, whatever the order in which they came.
  const insert = (list, item) => {
    item.remove();
    const id = Number(item.dataset.id);
    const rows = [...list.querySelectorAll(":scope > [data-id]")];
    const after = rows.find((row) => Number(row.dataset.id) < id);
    const more = list.querySelector(":scope > .more");
    if (after) after.before(item);
    else if (!more) list.append(item); // with older ones behind a button it would come twice
  };

  // Where the list gets too long its end goes, and the way to older ones begins there.
  const trim = (list) => {
    const shown = [...list.querySelectorAll(":scope > .alert")];
    const keep = Math.max(Number(list.dataset.keep), Number(list.dataset.opened ?? 0));
    if (shown.length <= keep) return;
    for (const item of shown.slice(keep)) item.remove();
    const link = list.querySelector(":scope > .more a");
    if (!link) return;
    const address = new URL(link.href);
    address.searchParams.set("before", shown[keep - 1].dataset.id);
    link.href = address;
    link.setAttribute("hx-get", address.pathname + address.search);
    htmx.process(link);
  };

  // An alert that somebody is just doing something with waits for the answer: that looks for it at its place.
  const put = (list, item, tries = 0) => {
    const shown = document.getElementById(`alert-${item.dataset.gone ?? item.dataset.id}`);
    const old = shown && list.contains(shown) ? shown : null;
    if (old && tries < 20 && (old.matches(".htmx-request") || old.querySelector(".htmx-request"))) {
      item.remove();
      setTimeout(() => put(list, item, tries + 1), 150);
    } else if (item.dataset.gone) {
      if (old) remove(old);
    } else {
      if (old) replace(old, item);
      else if (!("closed" in list.dataset)) insert(list, item);
      item.classList.remove("htmx-added");
      if (list.contains(item)) htmx.process(item);
    }
  };

  const place = () => {
    const news = document.getElementById("alert-news");
    const list = theList();
    if (!news?.childElementCount) return;
    if (list) {
      for (const item of [...news.children]) put(list, item);
      trim(list);
    }
    news.replaceChildren();
    document.dispatchEvent(new CustomEvent("alerts:placed"));
  };

  document.addEventListener("htmx:wsOpen", (event) => {
    socket = event.detail.event.target;
    wrapper = event.detail.socketWrapper;
    tries = taken = 0;
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
    heardAt = new Date();
    taken += 1;
    saying ||= setTimeout(seen, SEEN_MS);
    place();
    refresh();
    counters();
  });
  // What somebody did here themselves comes back with the answer, and older alerts that they asked for stay.
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.detail.target?.id === "alert-news") setTimeout(place);
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    place();
    counters();
    const list = theList();
    if (list && event.detail.requestConfig?.path?.includes("before=")) list.dataset.opened = list.querySelectorAll(":scope > .alert").length;
  });

  const announcer = document.getElementById("announcer");
  let hide = 0, last = null;
  new MutationObserver(() => {
    clearTimeout(hide);
    const news = announcer.querySelector("[data-alert]");
    if (news && news !== last && news.dataset.severity) ring(news);
    last = news;
    if (announcer.childElementCount) hide = setTimeout(() => announcer.replaceChildren(), 12000);
  }).observe(announcer, { childList: true });

  document.addEventListener("visibilitychange", refresh);
  counters();
  setInterval(refresh, 1000);
})();
