"use strict";
/* What runs now, and the page anew when there are new results. */
(() => {
  const line = document.getElementById("running");
  const pause = 2000;
  let version = null;
  const ask = async () => {
    try {
      const state = await (await fetch("/state", { cache: "no-store" })).json();
      if (version !== null && state.version !== version) location.reload();
      version = state.version;
      line.textContent = state.text || line.dataset.waiting;
    } catch {
      line.textContent = line.dataset.gone;
    }
    setTimeout(ask, pause);
  };
  ask();
})();
