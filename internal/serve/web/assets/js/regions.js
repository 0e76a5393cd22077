// The connected parts of a map that are marked, as the server finds them: joined through sides or corners, the
// largest first. Works on runs of marked pixels, row by row, with union-find.

// A map's value v is probability times 255, rounded. firstMarked is the lowest v that counts as over the threshold.
export const firstMarked = (threshold) => Math.floor(threshold * 255) + 1;

// smallestArea is the share of a picture under which a part is not listed.
export const smallestArea = (pixels) => Math.max(1, Math.floor(pixels * 1e-4));

// findRegions lists {box: [x, y, width, height], area, mean, peak} of {width, height, data}, in pixels, and in
// probability 0 to 1.
export function findRegions({ width, height, data }, threshold, least = smallestArea(width * height)) {
  const level = firstMarked(threshold);
  const parts = []; // of all runs; a part stands for its set if parent is its own index
  const root = (i) => {
    while (parts[i].parent !== i) i = parts[i].parent = parts[parts[i].parent].parent;
    return i;
  };
  let above = [];
  for (let y = 0; y < height; y++) {
    const here = [];
    for (let x = 0, at = y * width; x < width;) {
      if (data[at + x] < level) { x++; continue; }
      const from = x;
      let sum = 0, peak = 0;
      for (; x < width && data[at + x] >= level; x++) {
        sum += data[at + x];
        if (data[at + x] > peak) peak = data[at + x];
      }
      here.push({ from, to: x, part: parts.length });
      parts.push({ parent: parts.length, x0: from, y0: y, x1: x, y1: y + 1, area: x - from, sum, peak });
    }
    joinRows(above, here, (i, j) => unite(parts, root(i), root(j)));
    above = here;
  }
  return parts.filter((p, i) => p.parent === i && p.area >= least).map((p) => ({
    box: [p.x0, p.y0, p.x1 - p.x0, p.y1 - p.y0],
    area: p.area, mean: p.sum / p.area / 255, peak: p.peak / 255,
  })).sort((a, b) => b.area - a.area || a.box[1] - b.box[1] || a.box[0] - b.box[0]);
}

function joinRows(above, here, join) {
  let i = 0;
  for (const run of here) {
    while (i < above.length && above[i].to < run.from) i++;
    for (let j = i; j < above.length && above[j].from <= run.to; j++) join(above[j].part, run.part);
  }
}

function unite(parts, i, j) {
  if (i === j) return;
  const a = parts[i], b = parts[j];
  b.parent = i;
  a.x0 = Math.min(a.x0, b.x0);
  a.y0 = Math.min(a.y0, b.y0);
  a.x1 = Math.max(a.x1, b.x1);
  a.y1 = Math.max(a.y1, b.y1);
  a.area += b.area;
  a.sum += b.sum;
  a.peak = Math.max(a.peak, b.peak);
}
