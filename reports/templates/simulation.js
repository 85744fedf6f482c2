(() => {
  "use strict";
  const read = (key) => {
    const node = document.querySelector(`script[data-figure="${key}"]`);
    return node === null ? null : JSON.parse(node.textContent);
  };
  const { config, mapConfig, dressed, onScheme, mapTraces, mapLayout } = dtopt;
  const redraw = [];

  const series = read("series");
  if (series !== null) {
    const metric = document.getElementById("metric");
    const draw = () => {
      const figure = series[metric.value];
      Plotly.react("series", figure.data, dressed(figure.layout), config);
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

    const frame = (which, at) => mapTraces(map, {
      place: map.position[at],
      server: map.association[which][at],
      before: at > 0 ? map.association[which][at - 1] : null,
      open: map.servers[which][at] ?? everyone,
    });
    const draw = () => {
      const which = Number(policy.value), at = Number(slider.value);
      told.textContent = `slot ${map.slots[at]}, ${(map.slots[at] * map.seconds).toFixed(0)} s: ` +
        `mean latency ${map.latency[which][at] ?? "–"} ms, ${map.moves[which][at]} moves`;
      // uirevision keeps the reader's zoom from slot to slot.
      Plotly.react("map", frame(which, at), mapLayout(map, map.layout, "map"), mapConfig);
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
  onScheme(all);
  all();
})();
