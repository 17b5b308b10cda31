// Your notifications: asks the browser for its permission, subscribes it, and shows which place it is.
(() => {
  const card = document.getElementById("push");
  const button = document.getElementById("push-on");
  const said = document.getElementById("push-said");
  if (!card) return;
  const say = (text, wrong = false) => {
    said.textContent = text;
    said.classList.toggle("errors", wrong);
    said.classList.toggle("muted", !wrong);
  };
  const DENIED = "This browser does not allow notifications of this site. Allow them in its settings for this page, and reload.";

  const key = () => {
    const text = card.dataset.key.replace(/-/g, "+").replace(/_/g, "/");
    return Uint8Array.from(atob(text + "=".repeat((4 - (text.length % 4)) % 4)), (c) => c.charCodeAt(0));
  };
  const isOurs = (subscription) => {
    const with_ = subscription.options.applicationServerKey;
    if (!with_) return true; // a browser that does not say
    const ours = key(), theirs = new Uint8Array(with_);
    return ours.length === theirs.length && ours.every((byte, n) => byte === theirs[n]);
  };
  const browserName = () => {
    const agent = navigator.userAgent;
    const of = (known) => known.find(([mark]) => agent.includes(mark))?.[1];
    const browser = of([["Firefox/", "Firefox"], ["Edg/", "Edge"], ["OPR/", "Opera"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]]);
    const system = of([["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS", "a Mac"], ["Linux", "Linux"]]);
    return [browser ?? "A browser", system && `on ${system}`].filter(Boolean).join(" ");
  };

  const registered = () => navigator.serviceWorker.getRegistration("/");
  const subscription = async () => (await registered())?.pushManager.getSubscription() ?? null;
  const digest = async (text) => {
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  // The card of the place that this browser is, if it is one.
  const find = async () => {
    const mine = await subscription();
    if (!mine || Notification.permission !== "granted" || !isOurs(mine)) return null;
    const mark = await digest(mine.endpoint);
    const marks = JSON.parse(document.getElementById("push-marks").textContent);
    const id = Object.keys(marks).find((place) => marks[place] === mark);
    return id ? document.querySelector(`[data-place="${id}"]`) : null;
  };

  const show = async () => {
    if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) {
      const secure = window.isSecureContext ? "" : " It needs an address that begins with https://.";
      return say(`This browser can not be told of alerts while no page is open.${secure}`);
    }
    if (Notification.permission === "denied") return say(DENIED);
    const place = await find();
    if (place) {
      place.querySelector("[data-this-browser]").hidden = false;
      return say("This browser is told already: it is among the places above.");
    }
    button.hidden = false;
  };

  const allow = async () => {
    if ((await Notification.requestPermission()) !== "granted") throw new Error(DENIED);
    say("Asking the browser's push service …");
    await navigator.serviceWorker.register(card.dataset.worker, { scope: "/" });
    const { pushManager } = await navigator.serviceWorker.ready;
    const old = await pushManager.getSubscription();
    if (old && !isOurs(old)) await old.unsubscribe();
    const mine = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key() });
    const answer = await fetch(card.dataset.subscribe, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"] },
      body: JSON.stringify({ subscription: mine.toJSON(), name: browserName() }),
    });
    if (answer.ok) return location.reload();
    const problem = await answer.json().then((body) => body.problem, () => "");
    throw new Error(problem || "The server did not take it. Reload the page, and try again.");
  };

  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await allow();
    } catch (error) {
      const asked = error.name === "AbortError" || error.name === "NotAllowedError";
      say(asked ? "The browser's push service did not answer. Check that it may go online, and try again." : error.message, true);
      button.disabled = false;
    }
  });

  show();
})();
