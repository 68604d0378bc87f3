"use strict";

// Draws the map: the picture from space, one layer of cells, the outline of the area, the chosen cell.
const Paint = (() => {
  const OUTLINE = "#ffffff";

  // The colours of a layer's stored bytes, 256 of (r, g, b, alpha).
  function colorsOf(layer, map) {
    const colors = new Uint8ClampedArray(256 * 4);
    const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    if (layer.kind !== "values") {
      for (const entry of layer.legend || map.classes) colors.set([...parts(entry.color), 255], entry.code * 4);
      return colors;
    }
    const ramp = map.ramp.map(parts);
    for (let step = 0; step <= 200; step += 1) {
      const place = (step / 200) * (ramp.length - 1);
      const below = Math.min(Math.floor(place), ramp.length - 2);
      const between = ramp[below].map((part, k) => part + (place - below) * (ramp[below + 1][k] - part));
      colors.set([...between, 255], step * 4);
    }
    return colors;
  }

  // A canvas of one pixel for each cell.
  function picture(layer, map, plane) {
    const [rows, cols] = map.shape;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [cols, rows];
    const image = new ImageData(cols, rows);
    const words = new Uint32Array(image.data.buffer);
    const colors = new Uint32Array(colorsOf(layer, map).buffer);
    for (let i = 0; i < plane.length; i += 1) words[i] = colors[plane[i]];
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  function box(view, bounds) {
    const [left, top] = view.toScreen(bounds.west, bounds.north);
    return [left, top, bounds.width * view.scale, bounds.height * view.scale];
  }

  function outline(context, view, rings) {
    context.beginPath();
    for (const ring of rings) {
      ring.forEach(([x, y], i) => {
        const at = view.toScreen(x, y);
        if (i === 0) context.moveTo(...at);
        else context.lineTo(...at);
      });
      context.closePath();
    }
    for (const [width, color] of [[3.5, "#222222"], [1.5, OUTLINE]]) {
      context.lineWidth = width;
      context.strokeStyle = color;
      context.stroke();
    }
  }

  function mark(context, view, cell) {
    const size = Math.max(view.map.cell_m * view.scale, 6);
    const [x, y] = view.toScreen(...view.centreOf(cell));
    for (const [width, color] of [[4, "#000000"], [2, OUTLINE]]) {
      context.lineWidth = width;
      context.strokeStyle = color;
      context.strokeRect(x - size / 2, y - size / 2, size, size);
    }
  }

  function cross(context, view) {
    const [x, y] = [view.width / 2, view.height / 2];
    context.beginPath();
    context.moveTo(x - 9, y);
    context.lineTo(x + 9, y);
    context.moveTo(x, y - 9);
    context.lineTo(x, y + 9);
    for (const [width, color] of [[4, "#000000"], [2, OUTLINE]]) {
      context.lineWidth = width;
      context.strokeStyle = color;
      context.stroke();
    }
  }

  // `scene` is {layer, background, opacity, cell, aim}: canvases or images, and what is chosen.
  function draw(canvas, view, scene) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(view.width * ratio);
    canvas.height = Math.round(view.height * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    if (scene.background) {
      context.imageSmoothingEnabled = true;
      context.drawImage(scene.background, ...box(view, view.map.rgb));
    }
    if (scene.layer) {
      context.imageSmoothingEnabled = view.scale * view.map.cell_m < 1; // cells smaller than a pixel
      context.globalAlpha = scene.opacity;
      context.drawImage(scene.layer, ...box(view, view.extent));
      context.globalAlpha = 1;
    }
    outline(context, view, view.map.aoi);
    if (scene.cell) mark(context, view, scene.cell);
    if (scene.aim) cross(context, view);
  }

  // The longest of 1, 2, 5 · 10ⁿ metres that is at most `room` pixels wide.
  function scaleBar(view, room) {
    const longest = room / view.scale;
    const power = 10 ** Math.floor(Math.log10(longest));
    const metres = [5, 2, 1].map((n) => n * power).find((length) => length <= longest);
    return { px: metres * view.scale, label: metres >= 1000 ? `${metres / 1000} km` : `${metres} m` };
  }

  return { draw, picture, scaleBar };
})();
