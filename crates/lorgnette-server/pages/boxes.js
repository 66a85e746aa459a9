// Boxes that are drawn on an element, in fractions of it: left, top, right, bottom.

/** Smallest side of a box. */
const SMALLEST = 0.04;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const rounded = (value) => Math.round(100 * value) / 100;

/** Puts an element at a box. */
export function place(element, [left, top, right, bottom]) {
  Object.assign(element.style, {
    left: `${100 * left}%`, top: `${100 * top}%`,
    width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%`,
  });
}

function fractions(surface, event) {
  const area = surface.getBoundingClientRect();
  return [
    clamp((event.clientX - area.left) / area.width, 0, 1),
    clamp((event.clientY - area.top) / area.height, 0, 1),
  ];
}

/** Follows a pointer until it is let go; `moved` gets the start and the place, `done` whether it counts. */
function follow(surface, event, moved, done) {
  const start = fractions(surface, event);
  surface.setPointerCapture(event.pointerId);
  const onMove = (next) => moved(start, fractions(surface, next));
  const end = (last) => {
    surface.removeEventListener('pointermove', onMove);
    surface.removeEventListener('pointerup', end);
    surface.removeEventListener('pointercancel', end);
    done(last.type === 'pointerup');
  };
  surface.addEventListener('pointermove', onMove);
  surface.addEventListener('pointerup', end);
  surface.addEventListener('pointercancel', end);
  event.preventDefault();
}

const between = ([x0, y0], [x1, y1]) => [x0, y0, x1, y1].every(Number.isFinite)
  ? [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)].map(rounded) : null;

/** Lets boxes be drawn where the surface is empty. */
export function drawable(surface, isEmpty, drawn) {
  surface.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || !isEmpty(event.target)) return;
    const draft = document.createElement('div');
    draft.className = 'box draft';
    surface.append(draft);
    let box = null;
    follow(surface, event, (start, end) => {
      box = between(start, end);
      place(draft, box);
    }, (counts) => {
      draft.remove();
      if (counts && box && box[2] - box[0] >= SMALLEST && box[3] - box[1] >= SMALLEST) drawn(box);
    });
  });
}

export function moved([left, top, right, bottom], x, y) {
  const [dx, dy] = [clamp(x, -left, 1 - right), clamp(y, -top, 1 - bottom)];
  return [left + dx, top + dy, right + dx, bottom + dy].map(rounded);
}

export function resized([left, top, right, bottom], x, y) {
  return [left, top, clamp(right + x, left + SMALLEST, 1), clamp(bottom + y, top + SMALLEST, 1)].map(rounded);
}

/** Lets a box be moved, and resized by its corner, with a pointer or with the arrow keys. */
export function adjustable(surface, element, box, changed, removed) {
  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    event.stopPropagation();
    const area = element.getBoundingClientRect();
    // The corner of a small box leaves room to take hold of the rest.
    const isCorner = area.right - event.clientX < Math.min(24, area.width / 3) && area.bottom - event.clientY < Math.min(24, area.height / 3);
    const change = isCorner ? resized : moved;
    let now = box;
    follow(surface, event, ([x0, y0], [x1, y1]) => {
      now = change(box, x1 - x0, y1 - y0);
      place(element, now);
    }, (counts) => {
      if (counts && now !== box) changed(now);
      else place(element, box);
    });
    element.focus();
  });
  element.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: [-0.02, 0], ArrowRight: [0.02, 0], ArrowUp: [0, -0.02], ArrowDown: [0, 0.02] }[event.key];
    if (step) changed((event.shiftKey ? resized : moved)(box, ...step));
    else if (event.key === 'Delete' || event.key === 'Backspace') removed();
    else return;
    event.preventDefault();
  });
}

export const shown = (box) => box.map(rounded).join(',');
