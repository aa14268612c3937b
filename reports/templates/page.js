// Draws the charts, filters rows and points, and keeps one highlight for the whole page: a network picked in a plot or
// in a table is picked everywhere. Everything shown was escaped when the page was written; this file only sets
// textContent.
"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const json = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "{}");
  const plots = []; // { view, figure, keys }: those with networks as points
  let picked = []; // models
  let fitting = []; // keys of the cases that fit the limits; empty: there are none

  // --- the highlight

  // What is picked is lit; where nothing is, the cases that fit the limits are.
  function light() {
    const lit = new Set(picked.length ? picked : fitting);
    const faded = ({ model, case: key }) => lit.size > 0 && !lit.has(model) && !lit.has(key);
    for (const { view } of plots) view.signal("picked", [...lit]).run();
    for (const row of all("tr[data-model]")) {
      const on = picked.includes(row.dataset.model);
      row.classList.toggle("picked", on);
      row.classList.toggle("faded", faded(row.dataset));
      row.querySelector("button.pick")?.setAttribute("aria-pressed", String(on));
    }
    for (const strip of all("figure[data-model]")) strip.classList.toggle("faded", faded(strip.dataset));
  }

  function highlight() {
    light();
    const names = new Set(all("tr.picked button.pick").map((button) => button.textContent.trim()));
    say(picked.length ? "Highlighted: " + [...names].join(", ") : "Nothing highlighted");
    document.body.dataset.picked = picked.join(" ");
  }

  function say(text) {
    document.querySelector(".status").textContent = text;
  }

  // A second click on the same network, or one beside all networks, ends the highlight; with Shift more are added.
  function pick(model, more) {
    const others = more ? picked.filter((name) => name !== model) : [];
    const only = picked.includes(model) && (more || picked.length === 1);
    picked = model === null ? [] : only ? others : [...others, model];
    highlight();
  }

  // --- the filters

  const form = document.querySelector("form.filters");
  const cases = json("cases");

  function asked(form) {
    return [...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);
  }

  // The address keeps what a form asks; what others wrote into it stays as it is.
  function keep(form) {
    const wanted = asked(form);
    const names = Array.from(form.elements, (element) => element.name);
    const others = location.search.slice(1).split("&").filter((part) => part && !names.includes(part.split("=")[0]));
    const query = [...others, ...(wanted.length ? [new URLSearchParams(wanted)] : [])].join("&");
    try {
      history.replaceState(null, "", location.pathname + (query && "?" + query) + location.hash);
    } catch {
      // a viewer that forbids it: the form still works
    }
  }

  function passes(facts, wanted) {
    return wanted.every(([name, value]) =>
      name === "text"
        ? value.toLowerCase().split(/\s+/).every((word) => facts.text.includes(word))
        : facts[name] === value,
    );
  }

  function showOnly(wanted) {
    const shown = new Set(Object.keys(cases).filter((key) => passes(cases[key], wanted)));
    const visible = (key) => wanted.length === 0 || shown.has(key);
    for (const item of all("[data-case]")) item.hidden = !visible(item.dataset.case);
    const hidden = Object.keys(cases).filter((key) => !visible(key));
    for (const { view, figure, keys } of plots) {
      figure.hidden = !keys.some(visible);
      view.signal("hidden", hidden).run();
    }
    // What stands above rows or plots of which none is left goes with them.
    for (const group of all("tbody, .group")) {
      const items = all("[data-case], .plots figure", group);
      group.hidden = items.length > 0 && items.every((item) => item.hidden);
    }
    for (const section of all("main > section")) {
      const items = all("tr[data-case], .plots figure, .strips figure", section);
      section.classList.toggle("empty", items.length > 0 && items.every((item) => item.hidden));
    }
    window.dispatchEvent(new Event("resize")); // charts that come back may have missed one
  }

  function filter() {
    const wanted = asked(form);
    showOnly(wanted);
    const rows = all(".results tr[data-case]");
    form.querySelector("output").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    form.classList.toggle("active", wanted.length > 0);
    keep(form);
  }

  function filterable() {
    for (const [name, value] of new URLSearchParams(location.search)) {
      const field = form.elements.namedItem(name);
      if (field?.options && !Array.from(field.options).some((option) => option.value === value)) continue;
      if (field) field.value = value;
    }
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(filter)); // after the fields are empty
    // Paper shows everything, since it cannot say what is hidden.
    window.addEventListener("beforeprint", () => showOnly([]));
    window.addEventListener("afterprint", () => showOnly(asked(form)));
    filter();
  }

  // --- the choice: which cases fit the limits

  const choice = document.querySelector("form.choice");
  const { candidates, rules } = json("choice");
  const MOST_NAMED = 5;

  // As reports/notation.py writes it: three figures, at least the whole units.
  function number(value) {
    if (!Number.isFinite(value)) return "infinite";
    if (value === 0) return "0";
    const above = Math.floor(Math.log10(Math.abs(value)));
    const places = Math.max(0, 2 - above);
    const carries = Number(Math.abs(value).toFixed(places)) >= 10 ** (above + 1);
    return value.toFixed(carries ? Math.max(0, places - 1) : places);
  }

  function answers({ answers: rate, every, states }) {
    if (rate === null) return "";
    const more = [...(every > 1 ? [`1 in ${every}`] : []), ...(states > 1 ? [`${states} states`] : [])];
    const text = number(rate);
    const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
    return `${short}/s` + (more.length ? ` (${more.join(", ")})` : "");
  }

  function why({ candidate, violations }) {
    const text = ({ constraint, value, limit, missed }) => {
      const { name, figure, unit, unknown, size, better } = constraint;
      if (value === null) return unknown;
      if (missed) return candidate.missed.text;
      const of = (amount) => (size >= 1 ? amount / size : amount * Math.round(1 / size));
      const said = name === "deadline" ? `${figure} (${candidate.percentile})` : figure;
      const end = `${better === "higher" ? "below" : "above"} ${Number(of(limit).toPrecision(6))}`;
      if (!Number.isFinite(value)) return `${said} infinite, ${end} ${unit}`;
      return `${said} ${number(of(value))} ${unit}, ${number(of(Math.abs(value - limit)))} ${end}`;
    };
    return violations.map(text).join("; ");
  }

  // The first verdict of each case, or of each network on each device.
  function firsts(verdicts, name) {
    const found = new Map();
    for (const verdict of verdicts) {
      if (!found.has(verdict.candidate[name])) found.set(verdict.candidate[name], verdict);
    }
    return found;
  }

  function mark(row, text, fits) {
    const line = row.querySelector(".why") ?? document.createElement("span");
    line.className = fits ? "why fits" : "why";
    line.textContent = text;
    if (text) row.cells[0].append(line);
    else line.remove();
  }

  function name(verdict) {
    const { candidate, use, figures } = verdict;
    const item = document.createElement("li");
    const same = new Set(candidates.filter(({ run }) => run === candidate.run).map(({ key }) => key)); // watched or not
    const row = all(".results tr[data-case]").find((one) => same.has(one.dataset.case));
    const link = document.createElement(row ? "a" : "strong");
    if (row) link.href = `#${row.id}`;
    link.textContent = candidate.title;
    if (candidate.mark) link.append(" " + candidate.mark);
    const accuracy = figures.accuracy === null ? "" : `${figures.accuracy.toFixed(1)}\u00a0%`;
    item.append(link, " " + [candidate.engine, answers(use), accuracy].filter(Boolean).join(" \u00b7 "));
    return item;
  }

  function limit() {
    const limits = {};
    for (const { name, size } of rules.constraints) {
      const value = choice.elements.namedItem(name)?.valueAsNumber;
      if (value > 0) limits[name] = value * size;
    }
    const any = Object.keys(limits).length > 0;
    const verdicts = any ? choose(candidates, rules, limits) : [];
    const fits = (verdict) => verdict.violations.length === 0;
    const [cases, runs] = [firsts(verdicts, "key"), firsts(verdicts, "run")];
    const networks = [...firsts(verdicts, "network").values()];
    // What was watched says it of itself; a case of speed, and its points, also what was found before a camera.
    const found = new Map();
    for (const { key, run, watched } of any ? candidates : []) found.set(key, watched ? cases.get(key) : runs.get(run));
    fitting = any ? ["", ...[...found.keys()].filter((key) => fits(found.get(key)))] : [];
    for (const row of all(".results tr[data-case], .camera tr[data-case]")) {
      const verdict = found.get(row.dataset.case);
      if (!verdict) mark(row, "");
      else mark(row, fits(verdict) ? `fits: ${answers(verdict.use)}` : why(verdict), fits(verdict));
    }
    const fit = networks.filter(fits);
    const more = fit.length > MOST_NAMED ? `; the first ${MOST_NAMED}:` : fit.length ? ":" : "";
    choice.querySelector("output").textContent = any ? `${fit.length} of ${networks.length} networks fit${more}` : "";
    document.querySelector(".fitting").replaceChildren(...fit.slice(0, MOST_NAMED).map(name));
    keep(choice);
    light();
  }

  // The slider of a number: its positions are stops, and at its looser end there is no limit.
  function slide(range) {
    const field = choice.elements.namedItem(range.dataset.of);
    const { stops, better } = rules.constraints.find(({ name }) => name === field.name);
    const places = better === "higher" ? [null, ...stops] : [...stops, null];
    const show = () => {
      const value = field.valueAsNumber;
      const far = (stop) => (stop === null ? Infinity : Math.abs(Math.log(stop / value)));
      const nearest = stops.length ? Math.min(...stops.map(far)) : Infinity;
      range.value = value > 0 ? places.findIndex((stop) => far(stop) === nearest) : places.indexOf(null);
      range.setAttribute("aria-valuetext", value > 0 ? `${field.value} ${field.dataset.unit}` : "no limit");
    };
    range.addEventListener("input", () => {
      field.value = places[range.value] ?? "";
      show();
    });
    field.addEventListener("input", show);
    choice.addEventListener("reset", () => setTimeout(show));
    show();
  }

  function choosable() {
    for (const [name, value] of new URLSearchParams(location.search)) {
      const field = choice.elements.namedItem(name);
      if (field?.type === "number") field.value = value;
    }
    all("input[type=range]", choice).forEach(slide);
    choice.addEventListener("input", limit);
    choice.addEventListener("submit", (event) => event.preventDefault());
    choice.addEventListener("reset", () => setTimeout(limit));
    limit();
  }

  // --- the charts

  async function draw(chart, config) {
    const spec = JSON.parse(chart.querySelector("script").textContent);
    const drawing = chart.querySelector(".drawing");
    const options = {
      ast: true, // interpret expressions: the page's policy forbids eval
      actions: false,
      renderer: "svg", // so that CSS variables colour the charts
      defaultStyle: false,
      config,
      tooltip: { disableDefaultStyle: true },
    };
    try {
      const { view } = await vegaEmbed(drawing, spec, options);
      chart.append(savers(view, chart.getAttribute("aria-label")));
      if (!(spec.params || []).some((param) => param.name === "picked")) return;
      const keys = Object.values(spec.datasets).flat().map((row) => row.case);
      plots.push({ view, figure: chart.closest("figure"), keys });
      view.addEventListener("click", (event, item) => {
        const model = item && item.datum && item.datum.model;
        pick(typeof model === "string" ? model : null, event.shiftKey);
      });
    } catch (error) {
      drawing.textContent = "This chart could not be drawn: " + error.message;
      throw error;
    }
  }

  // --- files to take away

  function save(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function saveText(button) {
    const { source, lines, file, type } = button.dataset;
    const shown = () => all(".results tr[data-case]").filter((row) => !row.hidden).map((row) => row.dataset.case);
    const text = source ? json(source) : ["", ...shown()].map((key) => json(lines)[key]).join("");
    save(new Blob([text], { type }), file);
  }

  // A picture stands alone: its colours are written out, its ground is drawn, and its name stands above it.
  async function picture(view, label) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const parse = (text) => new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    const drawing = parse((await view.toSVG()).replace(/var\((--[\w-]+)\)/g, (_, name) => colour(name)));
    const [width, height] = ["width", "height"].map((name) => Number(drawing.getAttribute(name)));
    const most = Math.floor(width / 8); // letters in a line
    const lines = label.match(new RegExp(`\\S{${most},}|\\S.{0,${most - 1}}(?=\\s|$)`, "g"));
    const top = 24 + 20 * lines.length;
    const whole = parse(`<svg xmlns="http://www.w3.org/2000/svg" width="${width + 32}" height="${height + top + 16}">
      <rect width="100%" height="100%" fill="${colour("--surface")}"/>
      <text font-size="14" font-weight="600" fill="${colour("--ink")}"/></svg>`);
    const title = whole.querySelector("text");
    title.setAttribute("font-family", json("chart-config").font);
    for (const [place, line] of lines.entries()) {
      const span = document.createElementNS(whole.namespaceURI, "tspan");
      span.setAttribute("x", "16");
      span.setAttribute("y", String(28 + 20 * place));
      span.textContent = line;
      title.append(span);
    }
    drawing.setAttribute("x", "16");
    drawing.setAttribute("y", String(top));
    whole.append(drawing);
    return new XMLSerializer().serializeToString(whole);
  }

  async function raster(svg) {
    const image = new Image();
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  function savers(view, label) {
    const name = label.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 80).replace(/^-+|-+$/g, "");
    const row = document.createElement("p");
    row.className = "savers";
    for (const format of ["SVG", "PNG"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = format;
      button.setAttribute("aria-label", `Download as ${format}: ${label}`);
      button.addEventListener("click", async () => {
        const svg = await picture(view, label);
        const blob = format === "SVG" ? new Blob([svg], { type: "image/svg+xml" }) : await raster(svg);
        save(blob, `${name}.${format.toLowerCase()}`);
      });
      row.append(button);
    }
    return row;
  }

  // --- the tables

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

  document.documentElement.classList.add("js"); // which shows what does nothing without this file
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-model]");
    if (row && !event.target.closest("a")) pick(row.dataset.model, event.shiftKey);
    const button = event.target.closest("button.download");
    if (button) saveText(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && picked.length) pick(null, false);
  });
  all("table.results").forEach(sortable);
  const drawn = all(".chart").map((chart) => draw(chart, json("chart-config")));
  Promise.allSettled(drawn).then(() => {
    if (form) filterable();
    if (choice) choosable();
    document.body.dataset.drawn = String(drawn.length);
  });
})();
