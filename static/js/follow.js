// Following somebody: what is new is marked and rings as an alert does, and it is said when the server does not answer.
// Reading and swapping is HTMX's, every second; a screen reader hears the newest sighting by page.js.
(() => {
  const SILENT_MS = 4000, GONE = 404;
  const board = () => document.getElementById("follow");
  const stale = document.getElementById("follow-stale");
  let newest = board().dataset.newest ?? "", heard = performance.now();

  const isBoard = (event) => event.detail.elt?.id === "follow";
  const news = () => {
    const now = board()?.dataset.newest ?? "";
    if (now === newest) return;
    newest = now;
    const item = document.getElementById(`follow-sight-${now}`);
    item?.classList.add("is-fresh");
    document.dispatchEvent(new CustomEvent("alerts:rang", {
      detail: { id: `seen-${now}`, severity: "high", text: document.getElementById("follow-newest").textContent.trim(), href: location.href },
    }));
  };

  document.addEventListener("htmx:afterSettle", news);
  document.addEventListener("htmx:afterRequest", (event) => {
    if (isBoard(event) && event.detail.successful) heard = performance.now();
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (isBoard(event) && event.detail.xhr.status === GONE) location.reload(); // they were deleted: the page says so
  });
  setInterval(() => {
    const silent = performance.now() - heard;
    stale.hidden = silent < SILENT_MS;
    if (!stale.hidden) stale.querySelector("[data-seconds]").textContent = Math.round(silent / 1000);
  }, 500);
})();
