"use strict";
(() => {
  const data = JSON.parse(document.getElementById("timeline").textContent);
  const at = data.at;
  const charts = [...document.querySelectorAll("figure.chart")].map((figure) => ({
    plot: figure.querySelector(".plot"),
    cursor: figure.querySelector(".cursor"),
    when: figure.querySelector(".when"),
    note: figure.querySelector(".note"),
    cells: [...figure.querySelectorAll(".value")],
    peaks: [...figure.querySelectorAll(".value")].map((cell) => cell.textContent),
    ...data.charts[figure.dataset.chart],
  }));

  const digits = (value) => String(Number(value.toPrecision(3)));
  const scaled = (value, unit) => {
    for (const [factor, prefix] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
      if (Math.abs(value) >= factor * 0.9995) {
        return `${digits(value / factor)} ${prefix}${unit}`;
      }
    }
    return `${Math.round(value)} ${unit}`;
  };
  const duration = (seconds) => {
    if (seconds === 0) return "0s";
    if (seconds < 0.9995) return `${digits(seconds * 1e3)}ms`;
    if (seconds < 59.95) return `${digits(seconds)}s`;
    const whole = Math.round(seconds);
    const [d, h, m, s] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60, whole % 60];
    if (d) return `${d}d ${h}h`;
    return h ? `${h}h ${String(m).padStart(2, "0")}m` : `${m}m ${String(s).padStart(2, "0")}s`;
  };
  const units = {
    s: duration,
    per_s: (value) => `${value >= 100 ? Math.round(value).toLocaleString("en") : digits(value)}/s`,
    w: (value) => scaled(value, "W"),
    wh: (value) => scaled(value, "Wh"),
    count: (value) => Math.round(value).toLocaleString("en"),
    share: (value) => `${digits(value * 100)} %`,
  };

  // The interval whose end is nearest.
  const nearest = (instant) => {
    let low = 0;
    let high = at.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[middle] < instant) low = middle + 1;
      else high = middle;
    }
    return low > 0 && instant - at[low - 1] < at[low] - instant ? low - 1 : low;
  };

  let shown = -1;
  const show = (index) => {
    shown = index;
    for (const chart of charts) {
      chart.cursor.hidden = false;
      chart.cursor.style.left = `${(100 * at[index]) / data.span}%`;
      chart.when.textContent = `after ${duration(at[index])}`;
      chart.note.hidden = true;
      chart.cells.forEach((cell, row) => {
        const value = chart.values[row][index];
        cell.textContent = value === null ? "–" : units[chart.unit](value);
      });
    }
  };
  const hide = () => {
    shown = -1;
    for (const chart of charts) {
      chart.cursor.hidden = true;
      chart.when.textContent = "";
      chart.note.hidden = false;
      chart.cells.forEach((cell, row) => {
        cell.textContent = chart.peaks[row];
      });
    }
  };

  for (const { plot } of charts) {
    const point = (event) => {
      const box = plot.getBoundingClientRect();
      show(nearest(((event.clientX - box.left) / box.width) * data.span));
    };
    plot.addEventListener("pointerdown", point);
    plot.addEventListener("pointermove", point);
    // A finger leaves whenever it lifts: what it touched stays until it touches something else.
    plot.addEventListener("pointerleave", (event) => event.pointerType === "touch" || hide());
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (event.key === "Escape") hide();
      if (step === undefined) return;
      event.preventDefault();
      show(Math.min(at.length - 1, Math.max(0, shown < 0 ? (step > 0 ? 0 : at.length - 1) : shown + step)));
    });
  }
  document.addEventListener("pointerdown", (event) => event.target.closest(".plot") || hide());
})();
