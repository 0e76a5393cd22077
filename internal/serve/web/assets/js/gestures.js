// Mouse, touch, wheel and keys on a pane, which move the viewport.

const step = 60; // CSS pixels that an arrow key moves the picture
const zoomStep = 1.25;

// listen connects a canvas to the viewport. onPoint(x, y) is called when the mouse moves, onPoint()
// when it leaves.
export function listen(canvas, viewport, { onPoint, onKey }) {
  pointers(canvas, viewport, onPoint);
  canvas.addEventListener('wheel', (event) => {
    // If the page scrolls, the wheel scrolls it, unless Ctrl is pressed.
    const scrolls = document.documentElement.scrollHeight > innerHeight + 1;
    if (scrolls && !event.ctrlKey) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    viewport.zoomBy(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), ...place(canvas, event));
  }, { passive: false });
  canvas.addEventListener('dblclick', (event) => {
    if (viewport.isFit) viewport.zoomBy(Math.max(2, 1 / viewport.scale), ...place(canvas, event));
    else viewport.fit();
  });
  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = keys[event.key];
    if (move) move(viewport);
    else if (!onKey(event.key)) return;
    event.preventDefault();
  });
}

const keys = {
  ArrowLeft: (v) => v.panBy(step, 0),
  ArrowRight: (v) => v.panBy(-step, 0),
  ArrowUp: (v) => v.panBy(0, step),
  ArrowDown: (v) => v.panBy(0, -step),
  '+': (v) => v.zoomBy(zoomStep),
  '=': (v) => v.zoomBy(zoomStep),
  '-': (v) => v.zoomBy(1 / zoomStep),
  '0': (v) => v.fit(),
};

function place(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function pointers(canvas, viewport, onPoint) {
  const down = new Map(); // last position of each pointer
  canvas.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place(canvas, event));
  });
  canvas.addEventListener('pointermove', (event) => {
    const now = place(canvas, event);
    if (event.pointerType === 'mouse') onPoint(...now);
    const before = down.get(event.pointerId);
    if (!before) return;
    down.set(event.pointerId, now);
    if (down.size === 1) {
      viewport.panBy(now[0] - before[0], now[1] - before[1]);
    } else if (down.size === 2) {
      const [[, other]] = [...down].filter(([id]) => id !== event.pointerId);
      pinch(viewport, before, now, other);
    }
  });
  for (const name of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(name, (event) => down.delete(event.pointerId));
  }
  canvas.addEventListener('pointerleave', () => onPoint());
}

// pinch handles the move of one of two fingers from `before` to `now`, while the other stays.
function pinch(viewport, before, now, other) {
  const far = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
  const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
  viewport.panBy((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  viewport.zoomBy(far(now) / far(before), ...middle);
}
