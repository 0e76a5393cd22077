// Files to save.

import { make } from './dom.js';

// save downloads a Blob under a name.
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = make('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// resultJSON is the server's result. If the user has set another threshold, the fields that depend
// on it are replaced by what the page found in the 8-bit map.
export function resultJSON({ file, answer, version, at, threshold, fraction, regions, own }) {
  const result = { ...answer };
  Object.assign(result, { image: file.name, declip: version || undefined, time: at.toISOString() });
  if (!own) {
    Object.assign(result, {
      threshold, manipulated_fraction: fraction, regions,
      model_threshold: answer.threshold,
    });
  }
  return new Blob([JSON.stringify(result, null, 2), '\n'], { type: 'application/json' });
}
