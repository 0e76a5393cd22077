// Numbers and places as text.

export const percent = (share) => {
  const v = 100 * share;
  if (v === 0) return '0%';
  if (v < 0.1) return '< 0.1%';
  return `${v < 10 ? v.toFixed(1) : Math.round(v)}%`;
};

export const probability = (p) => p.toFixed(2);

// kinds are what a score is, where it is not computed from the map alone.
const kinds = { network: ', given by the network', calibrated: ', a calibrated probability' };

// scoreText is a picture's score, and says what it is.
export const scoreText = ({ score, score_kind: kind }) => `${probability(score)}${kinds[kind] ?? ''}`;

const notProbability = ' It is not the probability that the picture was manipulated.';
const scoreMeanings = {
  percentile: `One pixel in a hundred has a probability above this value.${notProbability}`,
  mean: `The mean probability of all pixels.${notProbability}`,
  network: `The answer of the network for the picture as a whole. It can be low although the map marks the right place.${notProbability}`,
  calibrated: 'The probability that the picture was manipulated, if half of such pictures were. It was fitted to pictures made for tests: yours may differ.',
};

// scoreMeaning explains the score. Kinds that this page does not know have no explanation.
export const scoreMeaning = ({ score_kind: kind }) => scoreMeanings[kind] ?? null;

export const bytes = (n) => (n < 1e6 ? `${Math.max(1, Math.round(n / 1e3))} kB` : `${(n / 1e6).toFixed(n < 1e7 ? 1 : 0)} MB`);

export const megapixels = (n) => `${(n / 1e6).toFixed(n < 1e7 ? 1 : 0)} megapixels`;

export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

// duration describes a time in milliseconds, rounded.
export function duration(ms) {
  const seconds = ms / 1000;
  if (seconds < 10) return 'a few seconds';
  if (seconds < 95) return `about ${10 * Math.round(seconds / 10)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `about ${minutes} min` : `about ${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// whereabouts describes where in an upright picture a box is.
export function whereabouts([x, y, w, h], [width, height]) {
  if (w > 0.7 * width && h > 0.7 * height) return 'most of the picture';
  const third = (v, of) => Math.min(2, Math.floor(3 * v / of));
  const across = ['left', 'centre', 'right'][third(x + w / 2, width)];
  const down = ['upper', 'middle', 'lower'][third(y + h / 2, height)];
  if (down === 'middle') return across === 'centre' ? 'centre' : across;
  return across === 'centre' ? (down === 'upper' ? 'top' : 'bottom') : `${down} ${across}`;
}

// moment formats a time in the user's time zone and in UTC.
export const moment = (date) => new Intl.DateTimeFormat('en-GB', {
  dateStyle: 'long', timeStyle: 'medium', hourCycle: 'h23', timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
}).format(date) + ` (${date.toISOString().slice(0, 16).replace('T', ' ')} UTC)`;

// stem is a file's name without its extension, with characters that are safe in file names.
export const stem = (name) => name.replace(/\.[^.]*$/, '').replace(/[\\/:*?"<>|\u0000-\u001f]/g, '_') || 'picture';
