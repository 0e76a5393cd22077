// The marked parts of a map, as the server finds them: connected through sides or corners, the
// largest first. The search goes row by row over runs of marked pixels. It keeps only what touches
// the last row, so that its memory is bounded by the width of the map, however noisy the map is.

// A map's value is the probability times 255, rounded. firstMarked is the lowest value over the
// threshold.
export const firstMarked = (threshold) => Math.floor(threshold * 255) + 1;

// Parts smaller than this share of the picture are not listed.
const smallestShare = 1e-4;

// findRegions lists {box: [x, y, width, height], area, mean, peak} of a map {width, height, data}.
// Box and area are in pixels, mean and peak are probabilities from 0 to 1.
export function findRegions({ width, height, data }, threshold) {
  const level = firstMarked(threshold);
  const least = Math.max(1, Math.floor(width * height * smallestShare));
  const found = [];
  let above = { runs: [], parts: [] };
  for (let y = 0; y <= height; y++) { // the row after the last ends all open parts
    const row = y < height ? data.subarray(y * width, (y + 1) * width) : data.subarray(0, 0);
    const here = marked(row, y, level, above.parts);
    joinRows(above.runs, here.runs, here.parts);
    above = settle(here, found, least);
  }
  return found.sort((a, b) => b.area - a.area || a.box[1] - b.box[1] || a.box[0] - b.box[0]);
}

// marked lists the runs of marked pixels in a row. Each begins a part, numbered after the open
// ones.
function marked(row, y, level, open) {
  const runs = [], parts = open;
  for (let x = 0; x < row.length;) {
    if (row[x] < level) { x++; continue; }
    const from = x;
    let sum = 0, peak = 0;
    for (; x < row.length && row[x] >= level; x++) {
      sum += row[x];
      if (row[x] > peak) peak = row[x];
    }
    runs.push({ from, to: x, part: parts.length });
    // Parts are a union-find forest: a root is its own parent.
    parts.push({ parent: parts.length, x0: from, y0: y, x1: x, y1: y + 1, area: x - from, sum, peak });
  }
  return { runs, parts };
}

function joinRows(above, here, parts) {
  let i = 0;
  for (const run of here) {
    while (i < above.length && above[i].to < run.from) i++;
    for (let j = i; j < above.length && above[j].from <= run.to; j++) unite(parts, root(parts, above[j].part), root(parts, run.part));
  }
}

function root(parts, i) {
  while (parts[i].parent !== i) i = parts[i].parent = parts[parts[i].parent].parent;
  return i;
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

// settle renumbers the parts that this row touches, and reports the others, which can no
// longer grow.
function settle({ runs, parts }, found, least) {
  const kept = [], number = new Map();
  for (const run of runs) {
    const r = root(parts, run.part);
    if (!number.has(r)) {
      number.set(r, kept.length);
      kept.push(parts[r]);
    }
    run.part = number.get(r);
  }
  parts.forEach((p, i) => {
    if (p.parent === i && !number.has(i) && p.area >= least) {
      found.push({ box: [p.x0, p.y0, p.x1 - p.x0, p.y1 - p.y0], area: p.area, mean: p.sum / p.area / 255, peak: p.peak / 255 });
    }
  });
  kept.forEach((p, i) => { p.parent = i; });
  return { runs, parts: kept };
}
