// EXIF orientations. Browsers show pictures upright, while maps and regions are in stored pixels.
// This module turns them.

// upright gives the canvas transform [a, b, c, d, e, f] from stored to upright coordinates, for a
// stored picture of w x h pixels (Exif 2.3, tag 274).
export function upright(orientation, w, h) {
  switch (orientation) {
    case 2: return [-1, 0, 0, 1, w, 0];
    case 3: return [-1, 0, 0, -1, w, h];
    case 4: return [1, 0, 0, -1, 0, h];
    case 5: return [0, 1, 1, 0, 0, 0];
    case 6: return [0, 1, -1, 0, h, 0];
    case 7: return [0, -1, -1, 0, h, w];
    case 8: return [0, -1, 1, 0, 0, w];
    default: return [1, 0, 0, 1, 0, 0];
  }
}

export const swapsSides = (orientation) => orientation >= 5 && orientation <= 8;

export function uprightSize(orientation, w, h) {
  return swapsSides(orientation) ? [h, w] : [w, h];
}

export function apply([a, b, c, d, e, f], x, y) {
  return [a * x + c * y + e, b * x + d * y + f];
}

// undo turns an upright point back to stored coordinates.
export function undo([a, b, c, d, e, f], x, y) {
  const det = a * d - b * c;
  return [(d * (x - e) - c * (y - f)) / det, (a * (y - f) - b * (x - e)) / det];
}

// uprightBox turns a box [x, y, width, height].
export function uprightBox(matrix, [x, y, w, h]) {
  const [x0, y0] = apply(matrix, x, y), [x1, y1] = apply(matrix, x + w, y + h);
  return [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)];
}
