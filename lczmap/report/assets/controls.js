"use strict";

// Mouse, wheel, touch, keys and buttons: `change(view => …)` moves the view, `choose(px, py)` reads a cell.
function control(canvas, view, { change, choose, aim }) {
  const STEP = 60; // pixels that an arrow key moves
  const CLICK = 5; // pixels that a press may move and still be a click
  const fingers = new Map();
  let moved = 0;

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { size: Math.hypot(a[0] - b[0], a[1] - b[1]), middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    moved = fingers.size > 1 ? Infinity : 0; // two fingers are no click
  });

  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    const old = fingers.size === 2 ? spread() : null;
    fingers.set(event.pointerId, now);
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (fingers.size === 1 && moved > CLICK) {
      change(() => view.pan(now[0] - before[0], now[1] - before[1]));
    } else if (old) {
      const fresh = spread();
      change(() => {
        view.pan(fresh.middle[0] - old.middle[0], fresh.middle[1] - old.middle[1]);
        view.zoom(fresh.size / Math.max(old.size, 1), ...fresh.middle);
      });
    }
  });

  const release = (event) => {
    const pressed = fingers.delete(event.pointerId);
    if (pressed && event.type === "pointerup" && moved <= CLICK) choose(...at(event));
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);

  let fading;
  const hint = (on) => {
    document.getElementById("map-hint").classList.toggle("on", on);
    clearTimeout(fading);
    if (on) fading = setTimeout(() => hint(false), 1500);
  };
  canvas.addEventListener(
    "wheel",
    (event) => {
      const meant = event.ctrlKey || event.metaKey || document.activeElement === canvas;
      hint(!meant);
      if (!meant) return; // the wheel scrolls the page
      event.preventDefault();
      const lines = event.deltaMode === 0 ? event.deltaY / 100 : event.deltaY / 3; // pixels, or lines
      change(() => view.zoom(2 ** (-Math.max(-3, Math.min(3, lines)) / 2), ...at(event)));
    },
    { passive: false },
  );

  const keys = {
    ArrowLeft: () => view.pan(STEP, 0),
    ArrowRight: () => view.pan(-STEP, 0),
    ArrowUp: () => view.pan(0, STEP),
    ArrowDown: () => view.pan(0, -STEP),
    "+": () => view.zoom(Math.SQRT2),
    "=": () => view.zoom(Math.SQRT2),
    "-": () => view.zoom(Math.SQRT1_2),
    0: () => view.fit(),
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") canvas.blur(); // the wheel scrolls the page again
    else if (event.key === "Enter" || event.key === " ") choose(view.width / 2, view.height / 2);
    else if (keys[event.key]) change(keys[event.key]);
    else return;
    event.preventDefault();
    aim(document.activeElement === canvas);
  });
  canvas.addEventListener("blur", () => aim(false));

  const press = (id, act) => document.getElementById(id).addEventListener("click", () => change(act));
  press("map-in", () => view.zoom(2));
  press("map-out", () => view.zoom(0.5));
  press("map-fit", () => view.fit());
}
