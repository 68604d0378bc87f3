const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const CANNOT_TELL = "?";
const COLUMNS = ["sample", "cell", "class", "sure", "comment", "labeller"];

let labeller = "";
let labels = {}; // cell number -> {class, sure, comment}
let order = cellsOfAddress();
let position = 0;
let keeps = true; // whether this browser keeps the progress

function cellsOfAddress() {
  const all = data.cells.map((_, k) => k + 1);
  const asked = new Set(location.hash.slice(1).split(",").map(Number));
  const chosen = all.filter((cell) => asked.has(cell));
  return chosen.length ? chosen : all;
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    keeps = false;
    say("This browser does not keep your labels: save them before you close the page.");
  }
}

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

const nameKey = `lczmap ${data.sample}`;
const labelsKey = () => `${nameKey} ${labeller}`;

function say(text) {
  byId("message").textContent = text;
  byId("message").hidden = !text;
}

function current() {
  return order[position];
}

function entry() {
  return labels[current()] ?? { class: "", sure: true, comment: "" };
}

function change(part) {
  labels[current()] = { ...entry(), ...part };
  remember(labelsKey(), JSON.stringify(labels));
}

function choose(name) {
  change({ class: name, sure: name === CANNOT_TELL || !byId("unsure").checked });
  if (keeps) say(order.every(isLabelled) ? "Every cell has a label. Save the labels and hand in the file." : "");
  if (position + 1 < order.length) position += 1;
  show();
}

function clear() {
  change({ class: "", sure: true });
  show();
}

function isLabelled(cell) {
  return Boolean(labels[cell]?.class);
}

function go(to) {
  position = Math.min(Math.max(to, 0), order.length - 1);
  show();
}

function goToOpen() {
  const after = order.findIndex((cell, k) => k > position && !isLabelled(cell));
  const first = order.findIndex((cell) => !isLabelled(cell));
  if (first < 0) say("Every cell has a label. Save the labels and hand in the file.");
  else go(after < 0 ? first : after);
}

function show() {
  const cell = current();
  const { class: chosen, sure, comment } = entry();
  const [longitude, latitude] = data.cells[cell - 1];
  byId("number").textContent = `${cell} of ${data.cells.length}`;
  const done = order.filter(isLabelled).length;
  byId("bar").max = order.length;
  byId("bar").value = done;
  byId("progress").textContent = `${done} of ${order.length} labelled`;
  document.querySelectorAll("#pictures img").forEach((image, k) => {
    image.src = `data:image/jpeg;base64,${data.pictures[k][cell - 1]}`;
    image.alt = `${data.views[k]}, cell ${cell}`;
  });
  for (const button of document.querySelectorAll("#classes button")) {
    button.setAttribute("aria-pressed", String(button.dataset.name === chosen));
  }
  byId("unsure").checked = !sure;
  byId("comment").value = comment;
  byId("jump").value = "";
  byId("back").disabled = position === 0;
  byId("forward").disabled = position === order.length - 1;
  byId("place").textContent = `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
  byId("earth").href = `https://earth.google.com/web/@${latitude},${longitude},0a,1800d,35y,0h,0t,0r`;
  byId("street").href =
    `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
}

function element(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text, ...properties });
}

function addPictures() {
  const section = byId("pictures");
  section.style.setProperty("--cell", `${(100 * data.cell_m) / data.context_m}%`);
  data.views.forEach((title) => {
    const frame = element("div", "", { className: "frame" });
    frame.append(new Image(), element("div", "", { className: "cell" }));
    const figure = element("figure", "");
    figure.append(frame, element("figcaption", title));
    section.append(figure);
  });
  if (data.views.length) {
    const caption = section.querySelector("figcaption");
    caption.textContent += `; ${data.context_m / 1000} km wide, outlined cell ${data.cell_m} m, north is up`;
  } else {
    section.append(element("p", "There were no scenes to take pictures from: look at each cell through the links."));
  }
}

function addClasses() {
  for (const { label, name, color } of [...data.classes, { label: CANNOT_TELL, name: "cannot tell", color: "" }]) {
    const button = element("button", "", { type: "button", title: name });
    button.dataset.name = label;
    const swatch = element("i", "");
    if (color) swatch.style.background = color;
    button.append(swatch, element("b", label), element("span", name));
    button.addEventListener("click", () => choose(label));
    byId("classes").append(button);
  }
}

function start(name) {
  labeller = name.trim();
  labels = JSON.parse(recall(labelsKey()) ?? "{}");
  remember(nameKey, labeller);
  byId("labeller").textContent = labeller;
  const first = order.findIndex((cell) => !isLabelled(cell));
  go(first < 0 ? 0 : first);
}

function askName() {
  byId("name").value = labeller || (recall(nameKey) ?? "");
  byId("start").showModal();
}

function asCsv() {
  const rows = Object.keys(labels).map(Number).filter(isLabelled).sort((a, b) => a - b).map((cell) => {
    const { class: name, sure, comment } = labels[cell];
    return [data.sample, cell, name, sure ? "yes" : "no", comment, labeller];
  });
  return toCsv([COLUMNS, ...rows]);
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff" + asCsv()], { type: "text/csv" })); // the mark is for Excel
  link.download = `labels_${labeller.replace(/[^\p{L}\p{N}]+/gu, "_")}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const isClass = (name) => name === CANNOT_TELL || data.classes.some(({ label }) => label === name);

function load(csv) {
  const [header, ...rows] = fromCsv(csv);
  if (String(header) !== String(COLUMNS)) return "This is no label file that this page saved.";
  if (rows.some((row) => row.length !== COLUMNS.length)) return "A row has not as many columns as the header.";
  if (rows.some((row) => row[0] !== data.sample)) return "These labels belong to another sample.";
  if (rows.some((row) => !data.cells[row[1] - 1])) return "A cell in this file is not in the sample.";
  const strange = rows.find((row) => !isClass(row[2]));
  if (strange) return `Cell ${strange[1]}: “${strange[2]}” is no class; nothing was read.`;
  const others = rows.map((row) => row[5]).filter((name) => name !== labeller);
  if (others.length) return `These are labels of ${others[0]}: change the labeller first.`;
  for (const [, cell, name, sure, comment] of rows) labels[Number(cell)] = { class: name, sure: sure === "yes", comment };
  remember(labelsKey(), JSON.stringify(labels));
  start(labeller);
  return `${rows.length} labels read.`;
}

function press(event) {
  if (event.repeat && !event.key.startsWith("Arrow")) return; // a key held down labels one cell
  if (event.ctrlKey || event.metaKey || event.altKey || byId("start").open) return;
  if (event.target.matches("input[type=text], input[type=number]")) {
    if (event.key === "Enter") event.target.blur();
    return;
  }
  const key = event.key.toLowerCase();
  if (/^[1-9]$/.test(key)) choose(key);
  else if (key === "0") choose("10");
  else if (/^[a-g]$/.test(key)) choose(key.toUpperCase());
  else if (key === "x" || key === "?") choose(CANNOT_TELL);
  else if (key === "u") byId("unsure").click();
  else if (key === "n") goToOpen();
  else if (key === "o") document.body.classList.toggle("plain");
  else if (key === "arrowleft") go(position - 1);
  else if (key === "arrowright") go(position + 1);
  else if (key === "delete") clear();
  else return;
  event.preventDefault();
}

function listen() {
  document.addEventListener("keydown", press);
  byId("unsure").addEventListener("change", () => change({ sure: !byId("unsure").checked }));
  byId("comment").addEventListener("input", () => change({ comment: byId("comment").value }));
  byId("back").addEventListener("click", () => go(position - 1));
  byId("forward").addEventListener("click", () => go(position + 1));
  byId("open").addEventListener("click", goToOpen);
  byId("jump").addEventListener("change", () => {
    const to = order.indexOf(Number(byId("jump").value));
    if (to >= 0) go(to);
  });
  byId("labeller").addEventListener("click", askName);
  byId("start").addEventListener("cancel", (event) => event.preventDefault());
  // at submit, not at close: that event comes later, and a key pressed before it would label for nobody
  byId("start").addEventListener("submit", (event) => {
    if (byId("name").value.trim()) start(byId("name").value);
    else event.preventDefault();
  });
  byId("start").addEventListener("close", () => labeller || askName());
  byId("export").addEventListener("click", save);
  byId("import").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", async () => {
    const [file] = byId("file").files;
    if (file) say(load(await file.text()));
    byId("file").value = "";
  });
}

addPictures();
addClasses();
listen();
show();
askName();
