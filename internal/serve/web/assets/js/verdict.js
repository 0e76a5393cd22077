// How strong the evidence is, as one of a few grades. A grade follows from the parts that are
// marked at the model's own threshold, not at that of the slider: lowering it must not make the
// evidence stronger. With a calibrated probability of the whole picture, that decides.

// grade gives {level: 0..3, name, title, text}.
export function grade(answer) {
  const share = answer.manipulated_fraction;
  const pixels = answer.width * answer.height;
  const best = answer.regions.filter((r) => r.area >= 0.003 * pixels).reduce((top, r) => Math.max(top, r.mean), 0);
  if (!answer.regions.length) return grades.none;
  if (share > 0.6) return grades.everywhere;
  if (answer.score_kind === 'calibrated') {
    if (answer.score >= 0.95) return grades.strong;
    return answer.score >= 0.6 ? grades.some : grades.weak;
  }
  if (best >= 0.8) return grades.strong;
  return share < 0.01 ? grades.weak : grades.some;
}

const grades = {
  none: {
    level: 0, name: 'none', title: 'Nothing stands out', // lint:allow the idiom
    text: 'The model marks no part of this picture. That does not show that it is genuine: many manipulations are missed, and compression hides them.',
  },
  weak: {
    level: 1, name: 'weak', title: 'Faint traces',
    text: 'Little is marked, or what is marked looks like what the model marks in untouched pictures, too. Take it as a place to look at, no more.',
  },
  some: {
    level: 2, name: 'some', title: 'Some traces',
    text: 'Parts of this picture carry different traces from the rest. It is a reason to look closely and to ask for the original, not a finding.',
  },
  strong: {
    level: 3, name: 'strong', title: 'Clear traces',
    text: 'At least one part differs clearly from the rest. The map cannot say what was done there, if anything: retouching and captions look the same as deceit.',
  },
  everywhere: {
    level: 1, name: 'everywhere', title: 'Marked nearly everywhere',
    text: 'No single place differs from the rest. Possible reasons: the whole picture was filtered, resized or generated, or the model was not trained on such pictures. The map does not say where.',
  },
};

const measuredNames = ['none', 'faint', 'some', 'clear']; // by level

// rates says how often a grade occurred with this model in pictures whose truth is known.
export function rates({ level }, model) {
  const m = model.measured;
  if (!m) return `How often this verdict is right has not been measured for ${model.name} at this threshold.`;
  const share = (grades) => `${grades[measuredNames[level]]} of ${measuredNames.reduce((sum, name) => sum + grades[name], 0)}`;
  return `Measured for ${model.name}: ${share(m.untouched)} untouched and ${share(m.forged)} forged pictures had this verdict (${m.pictures}).`;
}

// limits lists where a model is known to be wrong, as pairs of [title, sentences]. The sentences
// are the server's; if it has none, those that apply to all models.
export function limits(model) {
  return model.known_limits?.length ? [[`Known limits of ${model.name}`, model.known_limits], ['Limits of every model', always]]
    : [['Often marked without a manipulation', alarms], ['Often missed', misses], ['Limits of every model', always]];
}

const alarms = [
  'Faces and other skin, clear sky, areas out of focus, saturated lights and text.',
  'Captions, logos and retouching, which are changes but not deceit.',
  'Filters, portrait and HDR modes, panoramas.',
];

const misses = [
  'Manipulations unlike those the model was trained on.',
  'Pictures that were compressed strongly or resized, as messaging apps and social networks do.',
];

const always = [
  'Screenshots and photographs of a screen have lost the traces.',
  'declip judges the traces in the pixels, not what the picture shows.',
];
