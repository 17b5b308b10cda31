// Turns <time data-ago> into “12 s ago”; the full time stays its title.
(() => {
  const ago = (moment) => {
    const seconds = Math.max(0, Math.round((Date.now() - moment) / 1000));
    if (seconds < 60) return `${seconds} s ago`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
    return null;
  };
  const refresh = () => {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const text = ago(new Date(time.dateTime).getTime()) ?? time.title;
      if (time.textContent !== text) time.textContent = text;
    }
  };
  refresh();
  setInterval(refresh, 1000);
  document.addEventListener("htmx:afterSwap", refresh); // at once: what was swapped in is never painted with the full time
  document.addEventListener("htmx:oobAfterSwap", refresh);
  document.addEventListener("htmx:afterSettle", refresh);
  document.addEventListener("htmx:wsAfterMessage", refresh);
})();
