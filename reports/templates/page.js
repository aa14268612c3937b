// Draws the charts and keeps one selection for the whole page: a network picked in a plot or in the table is
// picked everywhere. Everything shown was escaped when the page was written; this file only sets textContent.
"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const views = [];
  let picked = [];

  function show() {
    for (const view of views) view.signal("picked", picked).runAsync();
    const any = picked.length > 0;
    for (const row of all("tr[data-model]")) {
      const on = picked.includes(row.dataset.model);
      row.classList.toggle("picked", on);
      row.classList.toggle("faded", any && !on);
      const button = row.querySelector("button.pick");
      if (button) button.setAttribute("aria-pressed", String(on));
    }
    for (const strip of all("figure[data-model]")) {
      strip.classList.toggle("faded", any && !picked.includes(strip.dataset.model));
    }
    const names = all("tr.picked button.pick").map((button) => button.textContent.trim());
    document.querySelector(".status").textContent = any ? "Highlighted: " + names.join(", ") : "Nothing highlighted";
    document.body.dataset.picked = picked.join(" ");
  }

  // A second click on the same network, or one beside all networks, ends the highlight; with Shift more are added.
  function pick(model, more) {
    const others = more ? picked.filter((name) => name !== model) : [];
    const only = picked.includes(model) && (more || picked.length === 1);
    picked = model === null ? [] : only ? others : [...others, model];
    show();
  }

  function draw() {
    const config = JSON.parse(document.getElementById("chart-config").textContent);
    const options = {
      ast: true, // interpret expressions: the page's policy forbids eval
      actions: false,
      renderer: "svg", // so that CSS variables colour the charts
      defaultStyle: false,
      config,
      tooltip: { disableDefaultStyle: true },
    };
    const drawn = all(".chart").map(async (chart) => {
      const spec = JSON.parse(chart.querySelector("script").textContent);
      try {
        const { view } = await vegaEmbed(chart.querySelector(".drawing"), spec, options);
        if (!(spec.params || []).some((param) => param.name === "picked")) return;
        views.push(view);
        view.addEventListener("click", (event, item) => {
          const model = item && item.datum && item.datum.model;
          pick(typeof model === "string" ? model : null, event.shiftKey);
        });
      } catch (error) {
        chart.querySelector(".drawing").textContent = "This chart could not be drawn: " + error.message;
        throw error;
      }
    });
    Promise.allSettled(drawn).then(() => {
      document.body.dataset.drawn = String(drawn.length);
    });
  }

  function sortable(table) {
    const body = table.tBodies[0];
    const planned = Array.from(body.rows);
    const value = (row, column) => {
      const text = row.cells[column] && row.cells[column].dataset.value;
      return text === undefined ? null : Number.isNaN(Number(text)) ? text : Number(text);
    };
    for (const button of all("button.sort", table)) {
      const head = button.closest("th");
      button.addEventListener("click", () => {
        const column = Number(button.dataset.column);
        // First the better-known direction, then the other, then back to how it was written.
        const next = { none: "descending", descending: "ascending", ascending: "none" }[head.getAttribute("aria-sort")];
        for (const other of all("th[aria-sort]", table)) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", next);
        const sign = next === "ascending" ? 1 : -1;
        const rows = [...planned];
        if (next !== "none") {
          rows.sort((a, b) => {
            const [x, y] = [value(a, column), value(b, column)];
            if (x === null || y === null) return (x === null) - (y === null); // missing ones last, both ways
            return sign * (typeof x === "string" ? String(x).localeCompare(String(y)) : x - y);
          });
        }
        body.append(...rows);
      });
    }
  }

  function download(button) {
    const text = JSON.parse(document.getElementById(button.dataset.source).textContent);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: button.dataset.type }));
    link.download = button.dataset.file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-model]");
    const link = event.target.closest("a");
    if (row && !link) pick(row.dataset.model, event.shiftKey);
    const button = event.target.closest("button.download");
    if (button) download(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && picked.length) pick(null, false);
  });
  all("table.results").forEach(sortable);
  draw();
})();
