"use strict";

// What the page holds, unpacked: the description of the map and the bytes of its cells.
const Codec = (() => {
  const STEPS = 200; // a value 0..1 is stored in steps of 0.5 %
  const MISSING = 255;

  function json(id) {
    const element = document.getElementById(id);
    return element ? JSON.parse(element.textContent) : null;
  }

  function bytesOf(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
    return bytes;
  }

  // The planes (rows × columns bytes each) by name; rejects where the browser cannot unpack them.
  async function planes(id, names, size) {
    if (typeof DecompressionStream === "undefined") {
      throw new Error("This browser is too old for the map. It needs Chrome or Edge 80, Firefox 113 or Safari 16.4.");
    }
    const packed = new Blob([bytesOf(json(id))]).stream();
    const whole = await new Response(packed.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
    if (whole.byteLength !== names.length * size) throw new Error("The map inside this page is incomplete.");
    return Object.fromEntries(names.map((name, i) => [name, new Uint8Array(whole, i * size, size)]));
  }

  const share = (step) => (step === MISSING ? null : step / STEPS);

  return { json, planes, share };
})();
