"use strict";

// Where the map is on the screen: the centre in metres of the map's CRS and the scale in screen pixels per metre.
class View {
  constructor(map) {
    this.map = map;
    this.width = 1;
    this.height = 1;
    this.fit();
  }

  get extent() {
    const [rows, cols] = this.map.shape;
    return { west: this.map.west, north: this.map.north, width: cols * this.map.cell_m, height: rows * this.map.cell_m };
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    if (this.fitted) this.fit();
    else this.limit();
  }

  // The whole map, as large as it goes; it stays so when the window changes.
  fit() {
    const { west, north, width, height } = this.extent;
    this.x = west + width / 2;
    this.y = north - height / 2;
    this.scale = 0.96 * Math.min(this.width / width, this.height / height);
    this.fitted = true;
  }

  toScreen(x, y) {
    return [(x - this.x) * this.scale + this.width / 2, (this.y - y) * this.scale + this.height / 2];
  }

  toMap(px, py) {
    return [(px - this.width / 2) / this.scale + this.x, this.y - (py - this.height / 2) / this.scale];
  }

  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
    this.fitted = false;
    this.limit();
  }

  // Larger or smaller by a factor; the place under (px, py) stays where it is.
  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.toMap(px, py);
    this.scale *= factor;
    this.limitScale();
    this.x = x - (px - this.width / 2) / this.scale;
    this.y = y + (py - this.height / 2) / this.scale;
    this.fitted = false;
    this.limit();
  }

  place(x, y, scale) {
    [this.x, this.y, this.scale] = [x, y, scale];
    this.fitted = false;
    this.limit();
  }

  limitScale() {
    const { width, height } = this.extent;
    const whole = Math.min(this.width / width, this.height / height);
    const largest = Math.max(120 / this.map.cell_m, 8 * whole); // 120 pixels for a cell
    this.scale = Math.min(Math.max(this.scale, 0.5 * whole), largest);
  }

  limit() {
    this.limitScale();
    const { west, north, width, height } = this.extent;
    this.x = Math.min(Math.max(this.x, west), west + width);
    this.y = Math.min(Math.max(this.y, north - height), north);
  }

  // Row and column of the cell at a place, null outside the map.
  cellAt(x, y) {
    const [rows, cols] = this.map.shape;
    const row = Math.floor((this.map.north - y) / this.map.cell_m);
    const col = Math.floor((x - this.map.west) / this.map.cell_m);
    return row >= 0 && row < rows && col >= 0 && col < cols ? { row, col, index: row * cols + col } : null;
  }

  centreOf(cell) {
    const size = this.map.cell_m;
    return [this.map.west + (cell.col + 0.5) * size, this.map.north - (cell.row + 0.5) * size];
  }
}

// Longitude and latitude between the nodes of a mesh over the map; exact to about a metre.
function lonLat(map, x, y) {
  const { lon, lat } = map.mesh;
  const [rows, cols] = map.shape;
  const u = Math.min(Math.max((x - map.west) / (cols * map.cell_m), 0), 1) * (lon[0].length - 1);
  const v = Math.min(Math.max((map.north - y) / (rows * map.cell_m), 0), 1) * (lon.length - 1);
  const [i, j] = [Math.min(Math.floor(u), lon[0].length - 2), Math.min(Math.floor(v), lon.length - 2)];
  const [a, b] = [u - i, v - j];
  const between = (m) =>
    (1 - b) * ((1 - a) * m[j][i] + a * m[j][i + 1]) + b * ((1 - a) * m[j + 1][i] + a * m[j + 1][i + 1]);
  const east = between(lon); // beyond ±180 where the map crosses the antimeridian
  return [((((east + 180) % 360) + 360) % 360) - 180, between(lat)];
}
