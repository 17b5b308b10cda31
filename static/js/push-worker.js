// The service worker: shows what was pushed, once, and opens the alert when it is pressed. Keeps nothing of it but keys.
const TOLD = "told"; // a cache whose entries are the keys of what was shown
const MOST = 200;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

const read = (event) => {
  try {
    const found = event.data?.json();
    return found && typeof found === "object" ? found : {};
  } catch {
    return {};
  }
};

// Whether it was shown before; remembers it. Where nothing can be remembered it is better shown twice than not.
const isKnown = async (key) => {
  if (!key) return false;
  try {
    const told = await caches.open(TOLD);
    const name = `/told/${encodeURIComponent(key)}`;
    if (await told.match(name)) return true;
    await told.put(name, new Response(""));
    const all = await told.keys();
    await Promise.all(all.slice(0, Math.max(0, all.length - MOST)).map((old) => told.delete(old)));
  } catch { /* no room, or a private window */ }
  return false;
};

// A page of this site; whatever else stands there leads to the list of alerts.
const target = (link) => {
  try {
    const found = new URL(link, self.location.origin);
    if (link && found.origin === self.location.origin) return found.href;
  } catch { /* no address */ }
  return new URL("/alerts/", self.location.origin).href;
};

const show = async (message) => {
  if (await isKnown(message.key)) return;
  const tag = String(message.tag || message.key || "");
  await self.registration.showNotification(String(message.title || "Lynceus"), {
    body: String(message.body || ""),
    tag: tag || undefined,
    renotify: Boolean(tag),
    timestamp: Date.parse(message.at) || Date.now(),
    requireInteraction: message.severity === "critical",
    silent: message.severity === "low",
    data: { link: target(message.link) },
  });
};

const open = async (href) => {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find((one) => one.url === href);
  return page ? page.focus() : self.clients.openWindow(href);
};

// One after the other: two attempts at one message may come at the same moment.
let turn = Promise.resolve();
self.addEventListener("push", (event) => {
  turn = turn.then(() => show(read(event)), () => show(read(event)));
  event.waitUntil(turn);
});
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(target(event.notification.data?.link)));
});
