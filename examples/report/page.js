"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const counts = JSON.parse(one("counts").textContent);
  const levels = all("[data-total]").map((cell) => cell.dataset.total);
  const form = one("filters"), equipment = one("equipment"), run = one("run"), text = one("text"), zone = one("zone");
  const last = String(levels.length - 1);
  const level = () => Number(form.elements.level.value);

  // Records of an equipment by level, of the chosen run and levels.
  const countsOf = (name) => {
    const sum = levels.map(() => 0);
    for (const [key, byLevel] of Object.entries(counts[name] ?? {})) {
      if (run.value === "" || key === run.value) byLevel.forEach((n, at) => { if (at <= level()) sum[at] += n; });
    }
    return sum;
  };
  const grouped = (n) => n.toLocaleString("en-US");
  const total = (list) => list.reduce((a, b) => a + b, 0);

  // As `bar_height` in view.rs.
  const drawLane = (lane) => {
    const bars = all("rect", lane).map((bar) => {
      const n = bar.dataset.n.split(",").map((count, at) => (at <= level() ? Number(count) : 0));
      return { bar, sum: total(n), worst: n.findIndex((count) => count > 0) };
    });
    const most = Math.max(1, ...bars.map(({ sum }) => sum));
    for (const { bar, sum, worst } of bars) {
      const height = sum === 0 ? 0 : 24 * (0.25 + 0.75 * Math.log1p(sum) / Math.log1p(most));
      bar.setAttribute("height", height);
      bar.setAttribute("y", 24 - height);
      bar.setAttribute("class", "l" + Math.max(0, worst));
    }
  };

  let drawn = level();
  const apply = () => {
    const wanted = text.value.toLowerCase();
    const ofEquipment = (name) => (equipment.value === "" || name === equipment.value)
      && (run.value === "" || run.value in (counts[name] ?? {}));
    for (const element of all("[data-equipment]:not(.item)")) element.hidden = !ofEquipment(element.dataset.equipment);
    if (drawn !== level()) all(".lane").forEach(drawLane);
    drawn = level();
    for (const button of all(".name")) button.setAttribute("aria-pressed", button.textContent === equipment.value);
    const sums = levels.map(() => 0);
    for (const row of all("tbody tr")) {
      const own = countsOf(row.dataset.equipment);
      levels.forEach((name, at) => {
        const cell = row.querySelector(`[data-count="${name}"]`);
        cell.textContent = grouped(own[at]);
        cell.classList.toggle("zero", own[at] === 0);
        if (!row.hidden) sums[at] += own[at];
      });
    }
    all("[data-total]").forEach((cell, at) => { cell.textContent = grouped(sums[at]); });
    one("total").textContent = grouped(total(sums));
    const rows = all("tbody tr").filter((row) => !row.hidden);
    one("shown-equipment").textContent = rows.length;
    const missing = one("missing");
    if (missing) missing.textContent = grouped(total(rows.map((row) => Number(row.dataset.missing))));
    for (const section of all("section")) {
      const items = all(".item", section);
      for (const item of items) {
        const data = item.dataset;
        item.hidden = !((equipment.value === "" || data.equipment === equipment.value)
          && (run.value === "" || data.run === run.value)
          && Number(data.level) <= level()
          && (wanted === "" || item.textContent.toLowerCase().includes(wanted)));
      }
      const shown = section.querySelector(".shown");
      const seen = items.filter((item) => !item.hidden).length;
      if (shown) shown.textContent = seen === items.length ? "" : `${seen} of ${items.length} shown`;
    }
    // The address keeps the view: it can be sent to a colleague.
    const view = new URLSearchParams();
    for (const field of [equipment, run, text]) if (field.value !== "") view.set(field.id, field.value);
    if (form.elements.level.value !== last) view.set("level", levels[level()]);
    const hash = view.toString();
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash === "" ? location.pathname : "#" + hash);
  };

  const read = () => {
    const view = new URLSearchParams(location.hash.slice(1));
    for (const field of [equipment, run, text]) field.value = view.get(field.id) ?? "";
    const at = levels.indexOf(view.get("level"));
    form.elements.level.value = at < 0 ? last : String(at);
    apply();
  };

  const two = (n) => String(n).padStart(2, "0");
  const local = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} `
    + `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const utc = (text) => text.replace("T", " ").replace("Z", "");
  const setZone = (isLocal) => {
    zone.setAttribute("aria-pressed", isLocal);
    zone.textContent = isLocal ? "UTC" : "Local time";
    all(".zone").forEach((word) => { word.textContent = isLocal ? "local time" : "UTC"; });
    for (const time of all("time")) time.textContent = isLocal ? local(new Date(time.dateTime)) : utc(time.dateTime);
  };

  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  zone.addEventListener("click", () => setZone(zone.getAttribute("aria-pressed") !== "true"));
  for (const button of all(".name")) {
    button.addEventListener("click", () => {
      equipment.value = equipment.value === button.textContent ? "" : button.textContent;
      apply();
    });
  }
  addEventListener("hashchange", read);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Escape") {
      form.reset();
      document.activeElement?.blur();
      return;
    }
    if (event.target.matches?.("select, input[type=search]")) return;
    const at = Number(event.key) - 1;
    if (event.key in { e: 1, r: 1, "/": 1 }) {
      event.preventDefault();
      ({ e: equipment, r: run, "/": text })[event.key].focus();
    } else if (Number.isInteger(at) && at >= 0 && at < levels.length) {
      form.elements.level.value = String(at);
      apply();
    }
  });
  read();
})();
