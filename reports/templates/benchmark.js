(async () => {
  "use strict";
  const { config, mapConfig, dressed, onScheme, unpack, loadPlotly, mapTraces, mapLayout } = dtopt;
  const { grid, sortable } = dtoptGrid;
  const at = (id) => document.getElementById(id);
  for (const table of document.querySelectorAll("table.sortable")) sortable(table);
  const groups = [...document.querySelectorAll(".group")];
  const group = at("group");
  const chosen = () => (group === null ? 0 : Number(group.value));
  const choose = () => groups.forEach((node, i) => { node.hidden = i !== chosen(); });
  choose();
  if (typeof DecompressionStream === "undefined") {
    at("too-old").hidden = false;
    group?.addEventListener("change", choose);
    return;
  }
  const data = await unpack("data");
  const { runs, instances } = data;

  const DASH = "–", CLOSE = 1e-6;
  const percent = (part) => {
    if (part === null) return DASH;
    if (part <= CLOSE) return "0\u00a0%";
    const p = 100 * part;
    return `${p >= 1000 ? Math.round(p).toLocaleString("en") : Number(p.toPrecision(p < 10 ? 2 : 3))}\u00a0%`;
  };
  const number = (value, digits = 6) => (value === null ? DASH : String(Number(value.toPrecision(digits))));
  const seconds = (value) => (value === null ? DASH : value < 0.001 ? "<0.001" : value < 10 ? value.toFixed(3) : value.toFixed(1));
  const address = (i) => `#instance/${encodeURIComponent(instances.label[i])}`;

  // The tables of runs, of all instances or of one.
  const limits = [...new Set(runs.limit)].sort((a, b) => (a ?? Infinity) - (b ?? Infinity));
  const limitText = (limit) => (limit === null ? "none" : `${limit} s`);
  const runGrid = (place, name, rows, whole) => {
    const id = (row) => rows[row];
    const column = (title, key, show, link) => ({
      title, number: true, value: (row) => runs[key][id(row)], text: (row) => show(runs[key][id(row)]), link,
    });
    const texts = (title, key, names) => ({
      title, value: (row) => names[runs[key][id(row)]], text: (row) => names[runs[key][id(row)]].replaceAll("_", " "),
    });
    const columns = [
      texts("solver", "solver", data.solvers),
      column("seed", "seed", String),
      column("limit", "limit", limitText),
      texts("status", "status", runs.statusTexts),
      column("objective", "objective", number),
      column("gap to best known", "primal", percent),
      column("controllable gap to best known", "controllablePrimal", percent),
      column("gap to bound", "gap", percent),
      column("controllable gap to bound", "controllable", percent),
      column("primal integral", "integral", percent),
      column("latency, ms", "latency", (v) => number(v === null ? null : 1e3 * v, 4)),
      column("servers", "open", (v) => number(v)),
      column("time, s", "wall", seconds),
      column("CPU, s", "cpu", seconds),
      texts("message", "message", runs.messageTexts),
    ];
    const filters = [];
    if (whole) {
      columns.unshift({
        title: "instance", value: (row) => instances.label[runs.instance[id(row)]],
        text: (row) => instances.label[runs.instance[id(row)]], link: (row) => address(runs.instance[id(row)]),
      });
      filters.push({ label: "Instance", test: (row, v) => instances.label[runs.instance[id(row)]].toLowerCase().includes(v) });
    }
    const among = (label, key, options, shownAs = options) => ({
      label, options: shownAs, test: (row, v) => runs[key][id(row)] === options[Number(v)],
    });
    const places = (texts_) => texts_.map((_, i) => i);
    if (whole) {
      filters.push(among("Solver", "solver", places(data.solvers), data.solvers));
      filters.push(among("Status", "status", places(runs.statusTexts), runs.statusTexts.map((t) => t.replaceAll("_", " "))));
      if (limits.length > 1) filters.push(among("Time limit", "limit", limits, limits.map(limitText)));
      filters.push({ label: "Message", test: (row, v) => runs.messageTexts[runs.message[id(row)]].toLowerCase().includes(v) });
    }
    const first = whole ? null : [columns.findIndex((c) => c.title === "gap to best known"), false];
    grid(place, {
      name, columns, size: rows.length, filters, first,
      best: (row) => runs.primal[id(row)] !== null && runs.primal[id(row)] <= CLOSE,
    });
  };
  const all = Array.from(runs.instance, (_, i) => i);
  runGrid(at("run-grid"), "Runs", all, true);

  const kinds = [...new Set(instances.kind)], suites = [...new Set(instances.suite)];
  // As a part of the best known, and as a part of what decisions change there.
  const partOf = (i, uncontrollable) => {
    const best = instances.best[i], bound = instances.bound[i];
    if (best === null || bound === null) return null;
    const room = instances.maximise[i] ? bound - best : best - bound;
    if (room <= 0) return 0;
    return uncontrollable === null || best === uncontrollable ? null : room / Math.abs(best - uncontrollable);
  };
  const gap = (i) => partOf(i, 0), controllable = (i) => partOf(i, instances.uncontrollable[i]);
  grid(at("instance-grid"), {
    name: "Instances", size: instances.label.length,
    columns: [
      { title: "instance", value: (i) => instances.label[i], text: (i) => instances.label[i], link: address },
      { title: "kind", value: (i) => instances.kind[i], text: (i) => instances.kind[i] },
      { title: "users", number: true, value: (i) => instances.users[i], text: (i) => instances.users[i].toLocaleString("en") },
      { title: "stations", number: true, value: (i) => instances.stations[i], text: (i) => instances.stations[i].toLocaleString("en") },
      { title: "best known", number: true, value: (i) => instances.best[i], text: (i) => number(instances.best[i]) },
      { title: "best bound", number: true, value: (i) => instances.bound[i], text: (i) => number(instances.bound[i]) },
      { title: "gap", number: true, value: gap, text: (i) => percent(gap(i)) },
      { title: "controllable gap", number: true, value: controllable, text: (i) => percent(controllable(i)) },
      { title: "reached by", value: (i) => instances.reachedBy[i], text: (i) => instances.reachedBy[i] || "no run here" },
    ],
    filters: [
      { label: "Instance", test: (i, v) => instances.label[i].toLowerCase().includes(v) },
      ...(suites.length > 1 ? [{ label: "Suite", options: suites.map((s) => s || "files"), test: (i, v) => instances.suite[i] === suites[Number(v)] }] : []),
      ...(kinds.length > 1 ? [{ label: "Kind", options: kinds, test: (i, v) => instances.kind[i] === kinds[Number(v)] }] : []),
      { label: "Reached by", test: (i, v) => instances.reachedBy[i].toLowerCase().split(", ").includes(v) || instances.reachedBy[i].toLowerCase().includes(v) },
    ],
  });

  // Figures are drawn when they come into view: the page opens at once however many there are.
  const content = new Map();
  const figuresOf = (key) => {
    if (!content.has(key)) content.set(key, unpack(key));
    return content.get(key);
  };
  const drawn = new Set();
  // On a narrow page the legend takes lines of its own below the figure.
  const fitted = (node, figure) => {
    const layout = dressed(figure.layout);
    if (figure.layout.showlegend === false) return layout;
    const width = figure.data.filter((t) => t.showlegend !== false).reduce((sum, t) => sum + 62 + 7.2 * (t.name ?? "").length, 0);
    const lines = Math.ceil(width / Math.max(node.clientWidth - 60, 200));
    return { ...layout, height: layout.height + 20 * Math.max(0, lines - 1), legend: { ...layout.legend, y: -0.2 } };
  };
  const draw = async (node) => {
    drawn.add(node);
    const holder = node.closest(".group"), choice = node.parentElement.querySelector("select");
    const [, figures] = await Promise.all([loadPlotly(), figuresOf(holder.dataset.group)]);
    const figure = figures[choice === null ? node.dataset.plot : choice.value];
    await Plotly.react(node, figure.data, fitted(node, figure), config);
  };
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !drawn.has(entry.target)) draw(entry.target);
    }
  }, { rootMargin: "300px" });
  for (const node of document.querySelectorAll("[data-plot]")) {
    seen.observe(node);
    node.parentElement.querySelector("select")?.addEventListener("change", () => draw(node));
  }
  group?.addEventListener("change", choose);

  // The view of one instance.
  const runsOf = new Map();
  runs.instance.forEach((i, run) => {
    if (!runsOf.has(i)) runsOf.set(i, []);
    runsOf.get(i).push(run);
  });
  let current = null;
  const traceFigure = (i, traces, scale) => {
    const first = new Set(), best = instances.best[i];
    // On a logarithmic axis, which has no 0.
    const gapOf = (v) => Math.max(1e-6, v * best < 0 ? 1 : Math.abs(v - best) / Math.max(Math.abs(v), Math.abs(best), 1e-300));
    const shown = scale === "gap" ? gapOf : (v) => v;
    const lines = traces.map(({ run, t, y, end }) => {
      const solver = runs.solver[run], name = data.solvers[solver], look = data.styles[solver];
      const text = `${name}, seed ${runs.seed[run]}${limits.length > 1 ? `, limit ${limitText(runs.limit[run])}` : ""}`;
      const legend = !first.has(solver);
      first.add(solver);
      const safe = (s) => s.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
      return {
        name: safe(name), legendgroup: name, showlegend: legend,
        x: [...t, end].map((s) => Math.max(s ?? 0, 1e-3)), y: [...y, y[y.length - 1]].map(shown),
        mode: t.length < 40 ? "lines+markers" : "lines",
        line: { ...look.line, shape: "hv" }, marker: look.marker,
        hovertemplate: `%{y:${scale === "gap" ? ".3%" : ".6g"}} after %{x:.3g} s<extra>${safe(text)}</extra>`,
      };
    }).sort((a, b) => a.name.localeCompare(b.name, "en"));
    const ends = lines.flatMap((line) => line.x);
    if (instances.bound[i] !== null && scale === "objective") {
      lines.push({
        name: `proven bound ${number(instances.bound[i])}`, x: [1e-3, Math.max(...ends)], y: [instances.bound[i], instances.bound[i]],
        mode: "lines", line: { color: data.bound, dash: "dash", width: 2 }, hoverinfo: "skip",
      });
    }
    const layout = {
      ...data.layout, showlegend: true,
      xaxis: { ...data.layout.xaxis, title: { text: "wall time, s" }, type: "log", dtick: 1, minor: { showgrid: false } },
      yaxis: scale === "gap"
        ? { ...data.layout.yaxis, ...data.gapAxis, title: { text: "gap to the best known" } }
        : { ...data.layout.yaxis, title: { text: instances.objective[i] } },
    };
    return { data: lines, layout };
  };
  const drawMap = () => {
    if (current === null || current.block.map === null) return;
    const { map } = current.block, view = map.views[Number(at("view").value)];
    const node = at("map"), span = (k) => map.high[k] - map.low[k];
    const ratio = Math.min(1.3, Math.max(0.3, span(0) > 0 ? span(1) / span(0) : 1));
    const height = Math.max(320, Math.min(620, node.clientWidth * ratio + 170));
    const traces = mapTraces(map, {
      place: map.place, server: view.server, before: map.before, open: view.open, twins: view.twins, access: map.access,
    });
    Plotly.react(node, traces, { ...mapLayout(map, data.mapLayout, `map-${current.i}`), height }, mapConfig);
  };
  const drawTraces = () => {
    const { i, block } = current, figure = traceFigure(i, block.traces, at("scale").value), node = at("traces");
    Plotly.react(node, figure.data, fitted(node, figure), config);
  };
  const open = async (i, focus) => {
    at("overview").hidden = true;
    at("instance").hidden = false;
    at("instance-title").textContent = instances.label[i];
    const proof = gap(i);
    at("instance-facts").textContent = [
      `${instances.users[i].toLocaleString("en")} users, ${instances.stations[i].toLocaleString("en")} stations`,
      `${instances.kind[i] === "migration" ? "P2 migration" : "P1 placement"}, ${instances.maximise[i] ? "maximises" : "minimises"} ${instances.objective[i]}`,
      instances.best[i] === null ? "no solution is known" : `best known ${number(instances.best[i], 8)} (${instances.bestBy[i]})`,
      instances.bound[i] === null ? "no bound is proven"
        : `proven bound ${number(instances.bound[i], 8)} (${instances.boundBy[i]})${proof === null ? "" : `, gap ${percent(proof)}, controllable gap ${percent(controllable(i))}`}`,
      instances.reachedBy[i] ? `reached by ${instances.reachedBy[i]}` : "reached by no run here",
    ].join("; ") + ".";
    const total = instances.label.length;
    at("before").href = address((i + total - 1) % total);
    at("after").href = address((i + 1) % total);
    runGrid(at("instance-run-grid"), `Runs on ${instances.label[i]}`, runsOf.get(i) ?? [], false);
    if (focus) {
      window.scrollTo(0, 0);
      at("instance-title").focus({ preventScroll: true });
    }
    const [block] = await Promise.all([figuresOf(`i${i}`), loadPlotly()]);
    current = { i, block };
    at("no-traces").hidden = block.traces.length > 0;
    at("traces").hidden = block.traces.length === 0;
    at("scale-choice").hidden = block.traces.length === 0;
    if (block.traces.length > 0) drawTraces();
    const has = block.map !== null;
    at("view-choice").hidden = !has;
    at("map").hidden = !has;
    at("map-note").textContent = has ? block.map.note : block.noMap;
    if (has) {
      at("view").replaceChildren(...block.map.views.map(({ run }, k) => {
        const option = document.createElement("option");
        option.value = k;
        option.textContent = `${data.solvers[runs.solver[run]]} (${instances.objective[i]} ${number(runs.objective[run])})`;
        return option;
      }));
      drawMap();
    }
  };
  at("view").addEventListener("change", drawMap);
  at("scale").addEventListener("change", drawTraces);
  const route = (focus) => {
    const label = location.hash.startsWith("#instance/") ? decodeURIComponent(location.hash.slice(10)) : null;
    const i = label === null ? -1 : instances.label.indexOf(label);
    if (i >= 0) {
      open(i, focus);
      return;
    }
    const back = current !== null;
    current = null;
    at("overview").hidden = false;
    at("instance").hidden = true;
    if (back && location.hash.length > 1) at(location.hash.slice(1))?.scrollIntoView();
  };
  window.addEventListener("hashchange", () => route(true));
  route(false);
  onScheme(() => {
    for (const node of drawn) draw(node);
    if (current !== null) {
      if (current.block.traces.length > 0) drawTraces();
      drawMap();
    }
  });
  document.documentElement.dataset.ready = "true";
  // Figures are likely to be wanted next.
  setTimeout(loadPlotly, 50);
})();
