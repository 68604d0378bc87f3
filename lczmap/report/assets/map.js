"use strict";

// Puts the map together. The address keeps the view: #map=east/north/scale/layer/opacity.
(async () => {
  const map = Codec.json("map-description");
  if (!map) return;
  const find = (id) => document.getElementById(id);
  const canvas = find("map-canvas");
  const view = new View(map);
  const state = { layer: map.main, opacity: 1, cell: null, aim: false };
  const drawn = {};
  let planes;
  let waiting = false;
  let pause;

  function paint() {
    waiting = false;
    const layer = map.layers.find((one) => one.key === state.layer);
    if (layer && !drawn[layer.key]) drawn[layer.key] = Paint.picture(layer, map, planes[layer.key]);
    const background = map.rgb ? find("map-rgb") : null;
    Paint.draw(canvas, view, { ...state, layer: layer ? drawn[layer.key] : null, background });
    const bar = Paint.scaleBar(view, Math.min(160, view.width / 3));
    find("map-scale").style.width = `${bar.px}px`;
    find("map-scale").textContent = bar.label;
  }

  function refresh() {
    if (!waiting) requestAnimationFrame(paint);
    waiting = true;
  }

  function keepAddress() {
    const parts = [view.x.toFixed(0), view.y.toFixed(0), view.scale.toPrecision(4), state.layer, state.opacity];
    try {
      history.replaceState(null, "", `#map=${parts.map(encodeURIComponent).join("/")}`);
    } catch {
      // inside another document (snakemake --report) the address cannot be changed: the view is not kept
    }
  }

  function remember() {
    clearTimeout(pause); // browsers allow few changes of the address in a second
    pause = setTimeout(keepAddress, 200);
  }

  function recall() {
    const match = /^#map=(.+)$/.exec(location.hash);
    if (!match) return;
    let parts;
    try {
      parts = match[1].split("/").map(decodeURIComponent);
    } catch {
      return; // a damaged address: the whole map is shown
    }
    const [x, y, scale, layer, opacity] = parts;
    if ([x, y, scale].every((part) => Number.isFinite(Number(part)) && part !== "")) {
      view.place(Number(x), Number(y), Number(scale));
    }
    if (layer === "none" || map.layers.some((one) => one.key === layer)) state.layer = layer;
    if (Number(opacity) >= 0 && Number(opacity) <= 1) state.opacity = Number(opacity);
  }

  function showLayer() {
    const layer = map.layers.find((one) => one.key === state.layer);
    for (const input of document.querySelectorAll("input[name=layer]")) input.checked = input.value === state.layer;
    find("map-opacity").value = state.opacity * 100;
    Panel.legend(find("map-legend"), layer, map, layer && planes[layer.key]);
    if (state.cell) describe();
    find("map-note").textContent = layer ? layer.note : "True colours, Sentinel-2.";
    refresh();
  }

  function change(act) {
    act();
    remember();
    refresh();
  }

  function describe() {
    const shown = map.layers.find((one) => one.key === state.layer) || map.layers[0];
    Panel.describe(find("map-cell"), map, planes, view, state.cell, shown);
  }

  function choose(px, py) {
    state.cell = view.cellAt(...view.toMap(px, py));
    describe();
    refresh();
  }

  function aim(on) {
    state.aim = on;
    refresh();
  }

  try {
    planes = await Codec.planes("map-cells", map.planes, map.shape[0] * map.shape[1]);
  } catch (error) {
    find("map-cell").textContent = error.message;
    find("map-box").classList.add("failed");
    return;
  }
  new ResizeObserver(() => {
    view.resize(canvas.clientWidth, canvas.clientHeight);
    refresh();
  }).observe(canvas);
  view.resize(canvas.clientWidth, canvas.clientHeight);
  view.fit();
  recall();
  control(canvas, view, { change, choose, aim });
  for (const input of document.querySelectorAll("input[name=layer]")) {
    input.addEventListener("change", () => {
      state.layer = input.value;
      remember();
      showLayer();
    });
  }
  find("map-opacity").addEventListener("input", (event) => {
    state.opacity = Number(event.target.value) / 100;
    remember();
    refresh();
  });
  addEventListener("hashchange", () => {
    recall();
    showLayer();
  });
  addEventListener("beforeprint", paint);
  showLayer();
  find("map-box").classList.add("ready");
})();
