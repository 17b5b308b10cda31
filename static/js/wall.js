// The camera wall: its pages turn by themselves where wanted, with a button that stops them, and it fills the screen.
(() => {
  const wall = () => document.getElementById("wall");
  const pause = document.querySelector("[data-wall-pause]");
  const full = document.querySelector("[data-wall-full]");
  let isPaused = false, shownAt = performance.now();

  const turn = () => {
    const here = wall(), seconds = Number(here.dataset.turn);
    const isUsed = here.contains(document.activeElement) && document.activeElement.matches(":focus-visible");
    if (!seconds || isPaused || document.hidden || isUsed) {
      shownAt = performance.now();
    } else if (performance.now() - shownAt >= seconds * 1000) {
      shownAt = performance.now();
      htmx.ajax("GET", here.dataset.next, { target: "#wall", swap: "outerHTML" });
    }
  };
  if (pause) {
    pause.hidden = !Number(wall().dataset.turn);
    pause.addEventListener("click", () => {
      isPaused = !isPaused;
      pause.textContent = isPaused ? "Go on turning" : "Stop turning";
    });
    setInterval(turn, 500);
  }
  if (full && document.fullscreenEnabled) {
    full.hidden = false;
    full.addEventListener("click", () => document.getElementById("wall-frame").requestFullscreen());
  }
})();
