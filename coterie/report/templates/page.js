// What the page does: origins of numbers, profiles as pages, search, filters, sorting, and the charts.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("facts").textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);

  // -- where a number comes from -----------------------------------------------------------------------------------
  const literal = (value, key) => {
    if (value === null) return null;
    if (typeof value === "number") return String(value);
    const quoted = "'" + String(value).replaceAll("'", "''") + "'";
    return /^(day|issued_on)$/.test(key) ? "date " + quoted : quoted;
  };
  const condition = (key, value) => (value === null ? `${key} is null` : `${key} = ${literal(value, key)}`);
  const filled = (sql, parameters) =>
    Object.entries(parameters).reduce((text, [name, value]) => text.replaceAll("$" + name, value), sql);

  function origin(key, keys, on) {
    const metric = data.metrics[key], fact = data.facts[metric.fact];
    const parameters = { ...data.parameters, ...(on ? { day: `date '${on}'` } : {}) };
    const columns = [metric.column, metric.low, metric.high].filter(Boolean).join(", ");
    const where = fact.keys.map((name, n) => condition(name, keys[n]));
    if (metric.direct) {
      const day = fact.keys.includes("day") ? [] : [`day = ${parameters.day}`];
      return { metric, fact, sql: `select ${columns}\nfrom ${metric.direct}\nwhere ${[...day, ...where].join("\n  and ")}` };
    }
    const body = filled(fact.sql, parameters).replaceAll("\n", "\n    ");
    const rest = where.length ? `\nwhere ${where.join("\n  and ")}` : "";
    return { metric, fact, sql: `with fact as (\n    ${body}\n)\n\nselect ${columns}\nfrom fact${rest}` };
  }

  const dialog = one("#trace");
  function show(key, keys, on, value, interval) {
    const { metric, fact, sql } = origin(key, keys, on);
    one(".trace-value", dialog).textContent = value;
    one(".trace-interval", dialog).textContent = interval || "";
    all(".trace-has-interval", dialog).forEach((part) => (part.hidden = !interval));
    one(".trace-definition", dialog).textContent = metric.says;
    one(".trace-table", dialog).textContent = metric.direct || fact.tables.join(", ");
    one(".trace-column", dialog).textContent = key;
    one(".trace-sql", dialog).textContent = sql;
    one(".trace-copy", dialog).textContent = data.words.copy;
    dialog.showModal();
  }
  one(".trace-copy", dialog).addEventListener("click", async (event) => {
    const text = one(".trace-sql", dialog);
    try {
      await navigator.clipboard.writeText(text.textContent);
      event.target.textContent = data.words.copied;
    } catch {
      getSelection().selectAllChildren(text);
    }
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  const of = (button) => [button.dataset.m, JSON.parse(button.dataset.k), button.dataset.d];
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button.n");
    if (button) show(...of(button), button.textContent, button.dataset.i);
  });
  // In a table one number can be reached by Tab, the others by the arrow keys.
  all("table").forEach((table) => all(".n", table).forEach((number, n) => (number.tabIndex = n ? -1 : 0)));
  const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
  document.addEventListener("keydown", (event) => {
    const from = event.target.closest?.("table .n"), step = steps[event.key];
    if (!from || !step) return;
    const cell = from.closest("td, th"), visible = all("tr", from.closest("table")).filter((row) => !row.hidden && one(".n", row));
    const row = visible.indexOf(cell.closest("tr")) + step[0];
    let to;
    if (step[0]) {
      const same = visible[row]?.cells[cell.cellIndex];
      to = same && (one(".n", same) || one(".n", visible[row]));
    } else {
      const inRow = all(".n", cell.closest("tr"));
      to = inRow[inRow.indexOf(from) + step[1]];
    }
    if (!to) return;
    event.preventDefault();
    from.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  });

  // -- profiles as pages -------------------------------------------------------------------------------------------
  let opened = null;
  function route() {
    const target = location.hash.startsWith("#c-") ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    const profile = target?.classList.contains("profile") ? target : null;
    all(".profile.open").forEach((other) => other.classList.remove("open"));
    document.documentElement.classList.toggle("one", Boolean(profile));
    if (profile) {
      profile.classList.add("open");
      scrollTo({ top: 0, behavior: "instant" });
      profile.focus({ preventScroll: true });
      drawIn(profile);
    } else if (opened) {
      document.getElementById(location.hash.slice(1))?.scrollIntoView({ behavior: "instant" });
    }
    opened = profile;
  }
  addEventListener("hashchange", route);

  // -- search, filters, sorting ------------------------------------------------------------------------------------
  const views = {};
  const count = (rows) => data.words.found.replace("{n}", rows.filter((row) => !row.hidden).length).replace("{all}", rows.length);
  const find = one("#find");
  find?.addEventListener("input", () => {
    const words = find.value.trim().toLowerCase(), rows = all("#community-table tbody tr");
    [...rows, ...all(".names li")].forEach((row) => (row.hidden = !row.dataset.words.includes(words)));
    one("#found").textContent = words ? count(rows) : "";
    views.map?.signal("query", words).runAsync();
  });
  const filters = one("#filters");
  filters?.addEventListener("input", () => {
    const wanted = Object.fromEntries(new FormData(filters)), rows = all("#board tbody tr");
    rows.forEach((row) => {
      row.hidden = Object.entries(wanted).some(([name, value]) =>
        name === "words" ? !row.dataset.words.includes(value.trim().toLowerCase()) : value && row.dataset[name] !== value);
    });
    one("#board-found").textContent = count(rows);
  });
  filters?.addEventListener("submit", (event) => event.preventDefault());
  all(".sortable").forEach((table) =>
    all(".sort", table).forEach((button) =>
      button.addEventListener("click", () => {
        const head = button.closest("th"), down = head.getAttribute("aria-sort") !== "descending", n = Number(button.dataset.column);
        all("th", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.cells[n].dataset.s, numeric = head.classList.contains("r");
        const order = (a, b) => (numeric ? Number(a) - Number(b) : a.localeCompare(b, document.documentElement.lang));
        const rows = all("tr", table.tBodies[0]);
        // What has no value stays at the end, whichever way.
        rows.sort((a, b) => (value(a) === "") - (value(b) === "") || (down ? -1 : 1) * order(value(a), value(b)));
        table.tBodies[0].append(...rows);
      })));
  const interest = one("#interest");
  const percent = (value) => (value * 100).toFixed(1) + "%";
  function tabulate() {
    const rows = data.charts.days.data.values.filter((row) => row.i === interest.value).reverse().map((row, n) => {
      const line = document.createElement("tr"), day = document.createElement("th"), number = document.createElement("button");
      const interval = data.words.interval.replace("{low}", percent(row.low)).replace("{high}", percent(row.high));
      day.scope = "row";
      day.textContent = row.d;
      number.type = "button";
      number.className = "n";
      number.tabIndex = n ? -1 : 0;
      Object.assign(number.dataset, { m: "interest_days.share", k: JSON.stringify([row.d, row.i]), v: row.share, i: interval });
      number.textContent = percent(row.share);
      line.append(day);
      [number, interval].forEach((part) => {
        const cell = line.insertCell();
        cell.className = "r";
        cell.append(part);
      });
      return line;
    });
    one("#days-table tbody").replaceChildren(...rows);
  }
  interest?.addEventListener("input", () => {
    tabulate();
    views.days?.signal("interest", interest.value).runAsync();
  });
  if (interest) tabulate();
  all("[data-zoom]").forEach((button) =>
    button.addEventListener("click", () => {
      const view = views.map, by = Number(button.dataset.zoom);
      if (!view) return;
      for (const [axis, whole] of Object.entries(fitted)) {
        const [low, high] = view.scale(axis).domain(), middle = (low + high) / 2, half = ((high - low) / 2) * by;
        view.signal("view_" + axis, by ? [middle - half, middle + half] : whole);
      }
      view.runAsync();
    }));

  // What a table hides to its right is hinted at by a shadow.
  const hint = (part) => part.classList.toggle("more", part.scrollWidth - part.clientWidth - part.scrollLeft > 2);
  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => hint(entry.target)));
  all(".scroll").forEach((part) => {
    sizes.observe(part);
    part.addEventListener("scroll", () => hint(part), { passive: true });
  });

  // -- charts ------------------------------------------------------------------------------------------------------
  const config = (width) => ({
    background: "transparent",
    font: getComputedStyle(document.body).fontFamily.replaceAll('"', "'"),
    aria: false,
    view: { stroke: null },
    text: { color: "currentColor" },
    axis: { labelColor: "currentColor", titleColor: "currentColor", domainColor: "#8a8a8a", tickColor: "#8a8a8a", gridColor: "#8a8a8a",
      gridOpacity: 0.3, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", labelLimit: Math.min(430, width * 0.4) },
    axisX: { labelOverlap: true, labelSeparation: 6 },
    axisY: { labelLineHeight: 12 },
    legend: { labelColor: "currentColor", titleColor: "currentColor", labelFontSize: 12, labelLimit: width * 0.8 },
    point: { strokeWidth: 1 },
  });
  // Circles are as large as fit both ways. Across, places may lie up to three times as far apart as they do up.
  const stretch = 3;
  let fitted = {};
  function fit(spec, width) {
    const size = { x: width, y: spec.height }, span = (axis) => data.whole[axis][1] - data.whole[axis][0];
    const name = 30; // pixels below the lowest circle, for two lines
    const scale = Math.min(size.x / span("x"), (size.y - name) / span("y"));
    size.y = spec.height = Math.min(spec.height, Math.ceil(span("y") * scale) + name);
    for (const axis of ["x", "y"]) {
      const down = axis === "y" ? name / scale / 2 : 0;
      const most = axis === "x" ? Math.min(stretch * scale, size.x / span("x")) : scale;
      const middle = (data.whole[axis][0] + data.whole[axis][1]) / 2 - down, half = size[axis] / most / 2;
      fitted[axis] = [middle - half, middle + half];
    }
    spec.layer.forEach((layer) => ["x", "y"].forEach((axis) => (layer.encoding[axis].scale.domain = fitted[axis])));
  }
  const drawn = new Set();
  async function draw(plot) {
    const name = plot.dataset.chart;
    if (drawn.has(name) || !window.vegaEmbed || !plot.clientWidth) return;
    drawn.add(name);
    if (name === "map") fit(data.charts.map, plot.clientWidth);
    // Where there is little room, names stand in two lines, and rows are higher.
    const narrow = data.charts[name].params?.find((param) => param.name === "narrow");
    if (narrow && plot.clientWidth < 520) {
      narrow.value = true;
      data.charts[name].height *= 1.3;
    }
    const { view } = await vegaEmbed(plot, data.charts[name], {
      actions: false, renderer: "svg", ast: true, config: config(plot.clientWidth), tooltip: { disableDefaultStyle: true },
    });
    views[name] = view;
    if (name === "map") plot.classList.toggle("numbered", view.signal("numbered"));
    // The plot has one name for all of it; its marks have none of their own.
    one("svg", plot).setAttribute("aria-hidden", "true");
    view.addEventListener("click", (event, item) => {
      const datum = item?.datum?.datum || item?.datum;
      const trace = datum?.trace || item?.mark?.group?.datum?.trace;
      if (datum?.goto) location.hash = datum.goto;
      else if (trace) {
        const cut = trace.indexOf("|"), key = trace.slice(0, cut);
        show(key, JSON.parse(trace.slice(cut + 1)), undefined, String(datum.said ?? datum.people), datum.interval);
      }
    });
    plot.dataset.drawn = "yes";
  }
  const drawIn = (part) => Promise.all(all(".plot", part).map(draw));
  // Called by the last script, when the drawing library is there: first what is seen, the rest when there is time.
  function begin() {
    route();
    const seen = new IntersectionObserver((entries) =>
      entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)), { rootMargin: "400px" });
    all(".plot").forEach((plot) => seen.observe(plot));
  }
  // Paper has no "when it is seen": what can be drawn is drawn for it, and what is folded is opened.
  let unfolded = [];
  addEventListener("beforeprint", () => {
    unfolded = all("details:not([open]):not(#board details)");
    unfolded.forEach((part) => (part.open = true));
    document.documentElement.classList.add("all");
    drawIn(document);
  });
  addEventListener("afterprint", () => {
    unfolded.forEach((part) => (part.open = false));
    document.documentElement.classList.remove("all");
  });
  window.coterie = { origin, of, draw: drawIn, views };
  addEventListener("DOMContentLoaded", begin);
})();
