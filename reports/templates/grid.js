// Tables that sort and filter: small ones as they stand, long ones some rows at a time.
const dtoptGrid = (() => {
  "use strict";
  const PAGE = window.innerWidth < 500 ? 25 : 50;
  const element = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") node.className = value;
      else if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children);
    return node;
  };

  // Numbers by size, texts by the alphabet; what is missing comes last either way.
  const compare = (a, b, down) => {
    const missing = (v) => v === null || v === "" || Number.isNaN(v);
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    const order = typeof a === "number" ? (a === b ? 0 : a < b ? -1 : 1) : a.localeCompare(b, "en", { numeric: true });
    return down ? -order : order;
  };

  const mark = (headings, chosen, down) => headings.forEach((th, i) => {
    if (i === chosen) th.setAttribute("aria-sort", down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  });

  // A table of the page whose headings become buttons.
  const sortable = (table) => {
    const headings = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    const rows = [...body.rows];
    const value = (row, i) => {
      const cell = row.cells[i], number = cell.dataset.value;
      if (number === undefined) return cell.textContent;
      return number === "nan" ? null : number === "inf" ? Infinity : Number(number);
    };
    let chosen = -1, down = false;
    headings.forEach((th, i) => {
      const button = element("button", { type: "button" }, th.textContent);
      th.replaceChildren(button);
      button.addEventListener("click", () => {
        down = chosen === i && !down;
        chosen = i;
        mark(headings, chosen, down);
        rows.sort((a, b) => compare(value(a, i), value(b, i), down));
        body.append(...rows);
      });
    });
  };

  // A long table. Columns: { title, value(row), text(row), link(row)?, number? }; filters: { label, options?, test }.
  const grid = (place, { name, columns, size, filters = [], first = null, best = null }) => {
    const body = element("tbody"), told = element("output", { "aria-live": "polite" });
    const headings = columns.map((column) => element("th", { scope: "col", class: column.number ? "number" : "" }));
    const before = element("button", { type: "button" }, "Previous"), after = element("button", { type: "button" }, "Next");
    let order = Array.from({ length: size }, (_, i) => i), shown = order, page = 0, chosen = -1, down = false;

    const fill = () => {
      const rows = shown.slice(page * PAGE, (page + 1) * PAGE).map((row) => {
        const cells = columns.map((column, i) => {
          const text = column.text(row);
          const inside = column.link ? element("a", { href: column.link(row) }, text) : text;
          return i === 0
            ? element("th", { scope: "row" }, inside)
            : element("td", { class: column.number ? "number" : "" }, inside);
        });
        return element("tr", { class: best !== null && best(row) ? "best" : "" }, ...cells);
      });
      body.replaceChildren(...rows);
      const pages = Math.max(1, Math.ceil(shown.length / PAGE));
      const from = shown.length === 0 ? 0 : page * PAGE + 1;
      told.textContent = `${from.toLocaleString("en")}–${Math.min(shown.length, (page + 1) * PAGE).toLocaleString("en")} ` +
        `of ${shown.length.toLocaleString("en")}`;
      before.disabled = page === 0;
      after.disabled = page >= pages - 1;
    };
    const inputs = filters.map((filter) => {
      const input = filter.options === undefined
        ? element("input", { type: "search", autocomplete: "off", spellcheck: "false" })
        : element("select", {}, element("option", { value: "" }, "all"),
          ...filter.options.map((option, i) => element("option", { value: String(i) }, option)));
      input.addEventListener("input", select);
      return input;
    });
    function select() {
      const active = filters.map((filter, i) => [filter, inputs[i].value.trim().toLowerCase()]).filter(([, v]) => v !== "");
      shown = order.filter((row) => active.every(([filter, v]) => filter.test(row, v)));
      page = 0;
      fill();
    }
    const sort = (i, towards) => {
      chosen = i;
      down = towards;
      mark(headings, chosen, down);
      const key = order.map((row) => columns[i].value(row));
      const places = order.map((_, at) => at).sort((a, b) => compare(key[a], key[b], down) || order[a] - order[b]);
      order = places.map((at) => order[at]);
      select();
    };
    headings.forEach((th, i) => {
      const button = element("button", { type: "button" }, columns[i].title);
      button.addEventListener("click", () => sort(i, chosen === i && !down));
      th.append(button);
    });
    const step = (by) => {
      page += by;
      fill();
    };
    before.addEventListener("click", () => step(-1));
    after.addEventListener("click", () => step(1));
    const parts = [];
    if (filters.length > 0) {
      parts.push(element("div", { class: "filters" },
        ...filters.map((filter, i) => element("label", {}, filter.label, inputs[i]))));
    }
    parts.push(element("div", { class: "scroll grid", role: "region", "aria-label": name, tabindex: "0" },
      element("table", { "aria-label": name }, element("thead", {}, element("tr", {}, ...headings)), body)));
    const pager = element("div", { class: "pager" }, before, told, after);
    if (size <= PAGE) {
      before.hidden = true;
      after.hidden = true;
    }
    parts.push(pager);
    place.replaceChildren(...parts);
    if (first === null) select();
    else sort(...first);
  };
  return { grid, sortable };
})();
