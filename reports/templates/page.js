(() => {
  "use strict";
  const { config, mapConfig, dressed, onScheme } = dtopt;
  const content = new Map();
  for (const node of document.querySelectorAll("script[data-figure]")) {
    content.set(node.dataset.figure, JSON.parse(node.textContent));
  }
  const draw = (key) => {
    const figure = content.get(key);
    const choice = document.querySelector(`select[data-map="${key}"]`);
    if (choice === null) {
      Plotly.react(key, figure.data, dressed(figure.layout), config);
      return;
    }
    // uirevision keeps the zoom while the reader goes from solver to solver.
    const width = document.getElementById(key).clientWidth;
    const height = Math.max(320, Math.min(figure.base.layout.height, width * figure.ratio + 170));
    const layout = { ...figure.base.layout, height, uirevision: key };
    Plotly.react(key, [...figure.base.data, ...figure.views[choice.value]], dressed(layout), mapConfig);
  };

  for (const choice of document.querySelectorAll("select[data-map]")) {
    choice.addEventListener("change", () => draw(choice.dataset.map));
  }
  const all = () => { for (const key of content.keys()) draw(key); };
  onScheme(all);
  all();
})();
