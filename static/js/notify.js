// Sounds and browser notifications for new alerts, each from a severity on. Both are off until somebody switches them on,
// and what they chose is kept in this browser. Tones are made here: no file is loaded. Of several open pages one is heard.
(() => {
  const LEVELS = ["low", "medium", "high", "critical"];
  const REST_MS = 2000; // between two sounds, whichever page makes them
  const TONES = { // frequency in Hz, when it begins and how long it lasts in seconds
    low: [[440, 0, 0.16]],
    medium: [[523, 0, 0.14], [659, 0.16, 0.16]],
    high: [[659, 0, 0.14], [880, 0.17, 0.14], [659, 0.34, 0.18]],
    critical: [[880, 0, 0.12], [1175, 0.14, 0.12], [880, 0.28, 0.12], [1175, 0.42, 0.12], [880, 0.56, 0.22]],
  };
  const kept = (name, otherwise) => { try { return localStorage.getItem(`lynceus-${name}`) ?? otherwise; } catch { return otherwise; } };
  const keep = (name, value) => { try { localStorage.setItem(`lynceus-${name}`, value); } catch { /* private window: for this page only */ } };
  const reaches = (severity, from) => from !== "" && LEVELS.indexOf(severity) >= LEVELS.indexOf(from);
  let audio = null;

  const play = (severity) => {
    audio ??= new AudioContext();
    if (audio.state === "suspended") audio.resume();
    for (const [frequency, begins, lasts] of TONES[severity] ?? []) {
      const at = audio.currentTime + begins;
      const tone = audio.createOscillator(), volume = audio.createGain();
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(0.25, at + 0.015);
      volume.gain.exponentialRampToValueAtTime(0.001, at + lasts);
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + lasts);
    }
    document.documentElement.dataset.rang = severity;
  };

  const sound = (severity) => {
    if (kept("sound", "") !== "on" || !reaches(severity, kept("sound-from", "low"))) return;
    const since = Date.now() - Number(kept("sound-at", 0));
    if (since >= 0 && since < REST_MS) return;
    keep("sound-at", Date.now());
    play(severity);
  };

  const notify = ({ id, severity, text, href }) => {
    if (!document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
    if (!reaches(severity, kept("notify-from", ""))) return;
    const shown = new Notification("Lynceus", { body: text, tag: `alert-${id}` }); // one tag: one notification of all pages
    shown.addEventListener("click", () => { window.focus(); if (href) location.assign(href); shown.close(); });
  };

  document.addEventListener("alerts:rang", ({ detail }) => { sound(detail.severity); notify(detail); });

  const box = document.getElementById("listening");
  if (!box) return;
  const part = (id) => document.getElementById(id);
  const [on, from, test, level, allow] = ["sound-on", "sound-from", "sound-test", "notify-from", "notify-allow"].map(part);
  const tell = () => {
    part("listening-said").textContent = on.checked ? "Sound on" : "Sound off";
    const can = "Notification" in window;
    allow.hidden = !can || level.value === "" || Notification.permission !== "default";
    part("notify-said").textContent = level.value === "" ? "" : !can ? "This browser has no notifications."
      : Notification.permission === "denied" ? "This browser does not allow them: change that in its settings for this site."
      : Notification.permission === "default" ? "This browser has not been asked yet." : "";
  };
  box.hidden = false;
  on.checked = kept("sound", "") === "on";
  from.value = kept("sound-from", "low");
  level.value = kept("notify-from", "");
  on.addEventListener("change", () => { keep("sound", on.checked ? "on" : ""); if (on.checked) play(from.value); tell(); });
  from.addEventListener("change", () => keep("sound-from", from.value));
  level.addEventListener("change", () => { keep("notify-from", level.value); tell(); });
  test.addEventListener("click", () => play(from.value));
  allow.addEventListener("click", () => Notification.requestPermission().then(tell));
  tell();
})();
