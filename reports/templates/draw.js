// What all pages share: how figures follow the page, how packed parts are read, and how a map is drawn.
const dtopt = (() => {
  "use strict";
  const config = { responsive: true, displayModeBar: false };
  const mapConfig = {
    responsive: true, displaylogo: false, scrollZoom: false,
    // Plotly offers to upload the chart by default; this page sends nothing anywhere.
    showSendToCloud: false, plotlyServerURL: "",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };

  // Figures have no ground of their own; their text follows the page, light or dark.
  const dressed = (layout) => {
    const colour = getComputedStyle(document.body).color;
    return { ...layout, font: { ...layout.font, color: colour } };
  };

  const onScheme = (redraw) =>
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // Parts are gzip in base64, so that ten thousand rows fit in a page.
  const text = async (base64) => {
    const bytes = Uint8Array.from(atob(base64.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };
  const packed = (key) => document.querySelector(`script[data-packed="${key}"]`);
  const unpack = async (key) => JSON.parse(await text(packed(key).textContent));

  let library = null;
  const loadPlotly = () => {
    library ??= (async () => {
      const script = document.createElement("script");
      script.textContent = await text(packed("plotly").textContent);
      document.head.append(script);
    })();
    return library;
  };

  // Users in the colour of their twin's server, closed stations as hollow triangles, servers as squares.
  const mapTraces = (map, { place, server, before = null, open, twins = null, access = null, userText = null }) => {
    const lines = (to) => {
      const x = [], y = [];
      to.forEach((k, i) => {
        if (k < 0 || server[i] < 0) return;
        x.push(place[2 * i], map.stations[k][0], null);
        y.push(place[2 * i + 1], map.stations[k][1], null);
      });
      return { x, y };
    };
    const users = { x: [], y: [], colour: [], text: [], ring: [] };
    const count = new Map(open.map((k) => [k, 0]));
    server.forEach((k, i) => {
      if (k < 0) return;
      users.x.push(place[2 * i]);
      users.y.push(place[2 * i + 1]);
      users.colour.push(map.colours[k]);
      users.ring.push(before !== null && before[i] >= 0 && before[i] !== k ? 2.5 : 0);
      users.text.push(userText === null ? `user on ${map.stationNames[k]}` : userText(i, k));
      count.set(k, (count.get(k) ?? 0) + 1);
    });
    if (twins !== null) open.forEach((k, i) => count.set(k, twins[i]));
    const unit = twins === null ? "twins shown" : "twins";
    const closed = map.stations.map((_, k) => k).filter((k) => !count.has(k));
    const opened = [...count.keys()].sort((a, b) => a - b);
    const most = Math.max(1, ...count.values());
    const traces = [
      { name: "to the twin's server", ...lines(server), mode: "lines", hoverinfo: "skip",
        line: { color: "rgba(128,128,128,0.35)", width: 1 } },
      { name: "user", x: users.x, y: users.y, mode: "markers", text: users.text,
        hovertemplate: "%{text}<extra></extra>",
        marker: { size: 7, color: users.colour, line: { width: users.ring, color: "#D55E00" } } },
      { name: "base station", x: closed.map((k) => map.stations[k][0]), y: closed.map((k) => map.stations[k][1]),
        mode: "markers", text: closed.map((k) => map.stationNames[k]), hovertemplate: "%{text}<extra></extra>",
        marker: { symbol: "triangle-up-open", size: 11, color: map.closed, line: { width: 2 } } },
      { name: "server", x: opened.map((k) => map.stations[k][0]), y: opened.map((k) => map.stations[k][1]),
        mode: "markers", text: opened.map((k) => `${map.stationNames[k]}: ${count.get(k)} ${unit}`),
        hovertemplate: "%{text}<extra></extra>",
        marker: { symbol: "square", opacity: 1,
          size: opened.map((k) => 11 + 12 * Math.sqrt(count.get(k) / most)),
          color: opened.map((k) => map.colours[k]),
          line: { width: 2, color: "rgba(128,128,128,1)" } } },
    ];
    if (access !== null) {
      traces.unshift({ name: "access link", ...lines(access), mode: "lines", hoverinfo: "skip",
        line: { color: "rgba(128,128,128,0.55)", width: 1, dash: "dot" } });
    }
    return traces;
  };

  // The ground of a map with a margin, at its own scale in the width that there is.
  const mapLayout = (map, layout, key) => {
    const margin = 0.03 * Math.max(map.high[0] - map.low[0], map.high[1] - map.low[1], 1);
    return dressed({
      ...layout, uirevision: key,
      xaxis: { ...layout.xaxis, range: [map.low[0] - margin, map.high[0] + margin] },
      yaxis: { ...layout.yaxis, range: [map.low[1] - margin, map.high[1] + margin] },
    });
  };

  return { config, mapConfig, dressed, onScheme, unpack, loadPlotly, mapTraces, mapLayout };
})();
