(() => {
  "use strict";
  const read = (key) => {
    const node = document.querySelector(`script[data-figure="${key}"]`);
    return node === null ? null : JSON.parse(node.textContent);
  };
  const dressed = (layout) => {
    const colour = getComputedStyle(document.body).color;
    return { ...layout, font: { ...layout.font, color: colour } };
  };
  const config = {
    responsive: true, displaylogo: false, scrollZoom: false,
    // Plotly offers to upload the chart by default; this page sends nothing anywhere.
    showSendToCloud: false, plotlyServerURL: "",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };
  const redraw = [];

  const series = read("series");
  if (series !== null) {
    const metric = document.getElementById("metric");
    const draw = () => {
      const figure = series[metric.value];
      Plotly.react("series", figure.data, dressed(figure.layout), { ...config, displayModeBar: false });
    };
    metric.addEventListener("change", draw);
    redraw.push(draw);
  }

  const map = read("map");
  if (map !== null) {
    const policy = document.getElementById("policy");
    const slider = document.getElementById("slot");
    const play = document.getElementById("play");
    const told = document.getElementById("told");
    const everyone = map.stations.map((_, k) => k);

    const frame = (which, at) => {
      const place = map.position[at];
      const server = map.association[which][at];
      const before = at > 0 ? map.association[which][at - 1] : server;
      const open = map.servers[which][at] ?? everyone;
      const users = { x: [], y: [], colour: [], text: [], ring: [] };
      const lines = { x: [], y: [] };
      const count = new Map(open.map((k) => [k, 0]));
      server.forEach((k, i) => {
        if (k < 0) return;
        const x = place[2 * i], y = place[2 * i + 1];
        users.x.push(x);
        users.y.push(y);
        users.colour.push(map.colours[k]);
        users.ring.push(before[i] >= 0 && before[i] !== k ? 2.5 : 0);
        users.text.push(`user on ${map.stationNames[k]}`);
        lines.x.push(x, map.stations[k][0], null);
        lines.y.push(y, map.stations[k][1], null);
        count.set(k, (count.get(k) ?? 0) + 1);
      });
      const closed = everyone.filter((k) => !count.has(k));
      const opened = [...count.keys()].sort((a, b) => a - b);
      const most = Math.max(1, ...count.values());
      return [
        { name: "to the twin's server", x: lines.x, y: lines.y, mode: "lines", hoverinfo: "skip",
          line: { color: "rgba(128,128,128,0.35)", width: 1 } },
        { name: "user", x: users.x, y: users.y, mode: "markers", text: users.text,
          hovertemplate: "%{text}<extra></extra>",
          marker: { size: 7, color: users.colour, line: { width: users.ring, color: "#D55E00" } } },
        { name: "base station", x: closed.map((k) => map.stations[k][0]), y: closed.map((k) => map.stations[k][1]),
          mode: "markers", text: closed.map((k) => map.stationNames[k]), hovertemplate: "%{text}<extra></extra>",
          marker: { symbol: "triangle-up-open", size: 11, color: map.closed, line: { width: 2 } } },
        { name: "server", x: opened.map((k) => map.stations[k][0]), y: opened.map((k) => map.stations[k][1]),
          mode: "markers", text: opened.map((k) => `${map.stationNames[k]}: ${count.get(k)} twins shown`),
          hovertemplate: "%{text}<extra></extra>",
          marker: { symbol: "square", opacity: 1,
            size: opened.map((k) => 11 + 12 * Math.sqrt(count.get(k) / most)),
            color: opened.map((k) => map.colours[k]),
            line: { width: 2, color: "rgba(128,128,128,1)" } } },
      ];
    };
    const margin = 0.03 * Math.max(map.high[0] - map.low[0], map.high[1] - map.low[1], 1);
    const draw = () => {
      const which = Number(policy.value), at = Number(slider.value);
      told.textContent = `slot ${map.slots[at]}, ${(map.slots[at] * map.seconds).toFixed(0)} s: ` +
        `mean latency ${map.latency[which][at]} ms, ${map.moves[which][at]} moves`;
      // uirevision keeps the reader's zoom from slot to slot.
      const layout = {
        ...map.layout, uirevision: "map",
        xaxis: { ...map.layout.xaxis, range: [map.low[0] - margin, map.high[0] + margin] },
        yaxis: { ...map.layout.yaxis, range: [map.low[1] - margin, map.high[1] + margin] },
      };
      Plotly.react("map", frame(which, at), dressed(layout), config);
    };
    let timer = null;
    const stop = () => {
      clearInterval(timer);
      timer = null;
      play.textContent = "Play";
    };
    play.addEventListener("click", () => {
      if (timer !== null) {
        stop();
        return;
      }
      play.textContent = "Pause";
      if (Number(slider.value) === map.slots.length - 1) slider.value = 0;
      timer = setInterval(() => {
        if (Number(slider.value) === map.slots.length - 1) {
          stop();
          return;
        }
        slider.value = Number(slider.value) + 1;
        draw();
      }, 250);
    });
    policy.addEventListener("change", draw);
    slider.addEventListener("input", draw);
    redraw.push(draw);
  }
  const all = () => { for (const draw of redraw) draw(); };
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  all();
})();
