// The line at which a map, interpolated linearly between its pixels, crosses a level. It is found
// with marching squares. The segments are joined, so that the browser strokes a few long lines and
// not thousands of short ones.

// Tracer outlines a map {width, height, data} at any level. It reuses its tables.
export class Tracer {
  constructor(map) {
    this.map = map;
    // Edge 2i goes from pixel i to its right neighbour, 2i + 1 to the one below. next[edge] is the
    // edge that the line crosses next.
    this.next = new Int32Array(2 * map.width * map.height);
    this.entered = new Uint8Array(this.next.length);
  }

  // trace returns the line where the map crosses `level`, 0 to 255, as a Path2D in coordinates of
  // width x height.
  trace(level, width, height) {
    const edges = this.#link(level);
    const { map, next, entered } = this;
    const sx = width / map.width, sy = height / map.height;
    const path = new Path2D();
    const point = (edge) => {
      const i = edge >> 1, x = i % map.width, y = (i - x) / map.width;
      const to = edge & 1 ? i + map.width : i + 1;
      const f = (level - map.data[i]) / (map.data[to] - map.data[i]);
      return edge & 1 ? [(x + 0.5) * sx, (y + 0.5 + f) * sy] : [(x + 0.5 + f) * sx, (y + 0.5) * sy];
    };
    const walk = (start) => {
      path.moveTo(...point(start));
      let edge = start;
      while (next[edge] >= 0) {
        const to = next[edge];
        next[edge] = -1;
        edge = to;
        if (edge === start) { path.closePath(); return; }
        path.lineTo(...point(edge));
      }
    };
    for (const e of edges) if (!entered[e] && next[e] >= 0) walk(e); // lines that begin at the border of the picture
    for (const e of edges) if (next[e] >= 0) walk(e);
    return path;
  }

  // link fills next with the directed segments, which have the marked side always on the same hand.
  // It returns the edges at which segments begin.
  #link(level) {
    const { map: { width, height, data }, next, entered } = this;
    next.fill(-1);
    entered.fill(0);
    const edges = [];
    const piece = (from, to) => {
      next[from] = to;
      entered[to] = 1;
      edges.push(from);
    };
    for (let y = 0; y + 1 < height; y++) {
      for (let i = y * width, end = i + width - 1; i < end; i++) {
        const code = (data[i] >= level) | (data[i + 1] >= level) << 1 | (data[i + width + 1] >= level) << 2 | (data[i + width] >= level) << 3;
        if (code === 0 || code === 15) continue;
        const top = 2 * i, left = 2 * i + 1, right = 2 * i + 3, bottom = 2 * (i + width);
        switch (code) {
          case 1: piece(left, top); break;
          case 2: piece(top, right); break;
          case 3: piece(left, right); break;
          case 4: piece(right, bottom); break;
          case 5: piece(left, bottom); piece(right, top); break;
          case 6: piece(top, bottom); break;
          case 7: piece(left, bottom); break;
          case 8: piece(bottom, left); break;
          case 9: piece(bottom, top); break;
          case 10: piece(top, left); piece(bottom, right); break;
          case 11: piece(bottom, right); break;
          case 12: piece(right, left); break;
          case 13: piece(right, top); break;
          case 14: piece(top, left); break;
        }
      }
    }
    return edges;
  }
}
