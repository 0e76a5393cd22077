// How strong the evidence is, in four honest grades. They follow from the marked parts at the model's own
// threshold, never from where the slider stands: lowering it must not make evidence stronger.

// grade gives {level: 0..3, name, title, text}.
export function grade(answer) {
  const share = answer.manipulated_fraction;
  const pixels = answer.width * answer.height;
  const best = answer.regions.filter((r) => r.area >= 0.003 * pixels).reduce((top, r) => Math.max(top, r.mean), 0);
  if (!answer.regions.length) return grades.none;
  if (share > 0.6) return grades.everywhere;
  if (best >= 0.8) return grades.strong;
  return share < 0.01 ? grades.weak : grades.some;
}

const grades = {
  none: {
    level: 0, name: 'none', title: 'Nothing stands out',
    text: 'The model marks no part of this picture. That does not show that it is genuine: many manipulations are missed, and compression hides them.',
  },
  weak: {
    level: 1, name: 'weak', title: 'Faint traces',
    text: 'Less than one pixel in a hundred is marked, which happens in untouched photographs, too. Take it as a place to look at, no more.',
  },
  some: {
    level: 2, name: 'some', title: 'Some traces',
    text: 'Parts of this picture carry other traces than the rest. Some untouched photographs look like this, too. It is a reason to look closely and to ask for the original, not a finding.',
  },
  strong: {
    level: 3, name: 'strong', title: 'Clear traces',
    text: 'At least one part stands out clearly from the rest, as seldom happens in untouched photographs. What was done there, if anything, the map cannot say: retouching and captions look the same as deceit.',
  },
  everywhere: {
    level: 1, name: 'everywhere', title: 'Marked nearly everywhere',
    text: 'No single place stands out. Often the whole picture was filtered, resized or made anew, or the model has never seen such pictures. The map does not say where.',
  },
};

// limits lists where a model is known to be wrong, as [title, sentences] each: in the server's words, or where it has
// none, what holds for all.
export function limits(model) {
  return model.known_limits?.length ? [[`Known of ${model.name}`, model.known_limits], ['Of every model', always]]
    : [['Often marked without a manipulation', alarms], ['Often missed', misses], ['Of every model', always]];
}

const alarms = [
  'Clear sky, areas out of focus, saturated lights and text.',
  'Captions, logos and retouching, which are changes but no deceit.',
  'Filters, portrait and HDR modes, panoramas.',
];

const misses = [
  'Manipulations unlike those that the model was trained on.',
  'Pictures that were compressed strongly or resized, as messengers and social networks do.',
];

const always = [
  'Screenshots and photographs of a screen have lost the traces.',
  'What a picture shows is not judged, only what its pixels carry.',
];
