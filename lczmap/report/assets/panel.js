"use strict";

// The texts beside the map: the legend of the layer and what is known about a cell.
const Panel = (() => {
  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  const percent = (share, digits = 0) => (share === null ? "–" : `${(100 * share).toFixed(digits)} %`);

  function swatch(color) {
    const made = element("span", "swatch");
    made.style.background = color;
    return made;
  }

  // How often each code is in a plane, as a share of the cells that have one.
  function shares(plane) {
    const counts = new Float64Array(256);
    for (let i = 0; i < plane.length; i += 1) counts[plane[i]] += 1;
    const all = plane.length - counts[0];
    return (code) => (all ? counts[code] / all : 0);
  }

  function outlineRow() {
    const row = element("li", "outline");
    row.append(element("span", "swatch"), element("span", "name", "Outline: area of interest"));
    return row;
  }

  function legend(list, layer, map, plane) {
    list.replaceChildren(outlineRow());
    if (!layer) return;
    if (layer.kind === "values") {
      const ramp = element("li", "ramp");
      const bar = element("span", "ramp-bar");
      bar.style.background = `linear-gradient(to right, ${map.ramp.join(", ")})`;
      ramp.append(element("span", "", "0 %"), bar, element("span", "", "100 %"));
      list.prepend(ramp);
      return;
    }
    const share = shares(plane);
    const rows = (layer.legend || map.classes).map((entry) => {
      const here = share(entry.code);
      const row = element("li", here ? "" : "unused");
      const text = here ? percent(here, 1) : "none";
      row.append(swatch(entry.color), element("span", "name", entry.title), element("span", "share", text));
      return row;
    });
    list.prepend(...rows);
  }

  function bars(map, planes, index) {
    const list = element("ul", "bars");
    for (let k = 0; k < map.top; k += 1) {
      const code = planes[`code${k}`][index];
      const share = Codec.share(planes[`share${k}`][index]);
      if (code === 0 || share === null) break;
      const row = element("li");
      const bar = element("span", "bar");
      const filled = element("span", "filled");
      filled.style.width = `${100 * share}%`;
      filled.style.background = map.classes[code - 1].color;
      bar.append(filled);
      row.append(element("span", "name", map.classes[code - 1].title), bar, element("span", "share", percent(share, 1)));
      list.append(row);
    }
    return list;
  }

  function place(map, x, y) {
    const [lon, lat] = lonLat(map, x, y);
    const east = `${Math.abs(lon).toFixed(5)}°\u00a0${lon < 0 ? "W" : "E"}`;
    const north = `${Math.abs(lat).toFixed(5)}°\u00a0${lat < 0 ? "S" : "N"}`;
    return { degrees: `${north}, ${east}`, metres: `E ${Math.round(x)} m, N ${Math.round(y)} m` };
  }

  function line(label, value) {
    const row = element("div", "fact");
    row.append(element("dt", "", label), element("dd", "", value));
    return row;
  }

  // What a layer says of a cell: the class with its colour, or the value.
  function saying(layer, map, planes, cell) {
    const stored = planes[layer.key][cell.index];
    if (layer.kind === "values") return { title: percent(Codec.share(stored), 1) };
    return (layer.legend || map.classes).find((entry) => entry.code === stored) || { title: "No class here" };
  }

  // Writes what the page knows of a cell (or that the place lies outside the map), first what `shown`, a layer, says.
  function describe(box, map, planes, view, cell, shown) {
    box.replaceChildren();
    if (!cell) {
      box.append(element("p", "", "Outside the map."));
      return;
    }
    const first = saying(shown, map, planes, cell);
    const heading = element("h3", "", first.title);
    if (first.color) heading.prepend(swatch(first.color));
    box.append(element("p", "which", shown.title), heading);
    const facts = element("dl");
    for (const layer of map.layers) {
      if (layer !== shown) facts.append(line(layer.title, saying(layer, map, planes, cell).title));
    }
    const where = place(map, ...view.centreOf(cell));
    facts.append(line("Position", where.degrees), line(map.crs, where.metres));
    if (planes.code0) box.append(element("h4", "", "Most probable (main network)"), bars(map, planes, cell.index));
    box.append(facts);
  }

  return { describe, legend };
})();
