"use strict";
// Figures are drawn when they come near the window, so that a long page opens at once, also on a phone.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const config = { displayModeBar: false, responsive: true, doubleClick: false };

  const draw = (place) => {
    if (place.childElementCount) return;
    const { data, layout } = figures[place.dataset.figure];
    Plotly.newPlot(place, data, layout, config);
  };

  const places = [...document.querySelectorAll("[data-figure]")];
  const watcher = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
    { rootMargin: "800px" },
  );
  places.forEach((place) => watcher.observe(place));
  addEventListener("beforeprint", () => places.forEach(draw));

  const slider = document.getElementById("lam-slider");
  if (!slider) return;
  const strips = [...document.querySelectorAll(".strip")];
  const show = () => {
    document.getElementById("lam-value").textContent = (slider.value / slider.max).toFixed(1);
    for (const strip of strips) {
      const steps = JSON.parse(strip.dataset.steps);
      const step = Math.min(Number(slider.value), steps.length - 1);
      strip.style.setProperty("--step", steps.length > 1 ? step / (steps.length - 1) : 0);
      strip.querySelector(".became").textContent = steps[step];
    }
  };
  slider.addEventListener("input", show);
  show();
})();
