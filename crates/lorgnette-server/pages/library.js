// Search of the library: the query as text and as a drawing, and the photos that it finds.
import { adjustable, drawable, place, shown } from '/pages/boxes.js';
import { ask, at, count, debounced, fileName, firstName, json, make, percent, post, say } from '/pages/common.js';
import { nameInput, names } from '/pages/names.js';

/** Colours of things, with text in white; told apart with colour blindness too. */
const COLOURS = ['#0066a1', '#b84a00', '#00735a', '#a3477d', '#75570f', '#5a4fa8'];
/** Photos of a page. */
const PAGE = 24;
const PLACES = [
  'top left', 'top row', 'top right', 'left column', 'middle', 'right column', 'bottom left', 'bottom row', 'bottom right',
  'left half', 'right half', 'top half', 'bottom half', 'corner', 'foreground', 'background',
];

/** The parts of the query, as the server says them; and those that have no name yet. */
let parts = [];
let limit = PAGE;
let generation = 0;

const isThing = (part) => part.name !== undefined;

function textOf(part) {
  if (!isThing(part)) return part.text;
  const where = part.place ? ` in ${part.place}` : '';
  return `${part.negated ? 'NOT ' : ''}${part.name}${where}${part.rest ? ` ${part.rest}` : ''}`;
}

const isSaid = (part) => !isThing(part) || part.name !== '';

function colourOf(part) {
  return COLOURS[parts.filter(isThing).indexOf(part) % COLOURS.length];
}

// The URL is the query.

function urlOf(text) {
  const parameters = new URLSearchParams();
  if (text) parameters.set('q', text);
  if (at('all').checked) parameters.set('all', '');
  const query = parameters.toString();
  return query ? `/library?${query}` : '/library';
}

/** Searches for a text; a new entry in the browser's history, unless it is the last one as it grows. */
async function search(text, { isNew = false, keepsDrawing = false } = {}) {
  const mine = ++generation;
  if (urlOf(text) !== `${location.pathname}${location.search}`) {
    history[isNew ? 'pushState' : 'replaceState'](null, '', urlOf(text));
  }
  document.title = text ? `${text} – Lorgnette` : 'Library – Lorgnette';
  if (!text.trim()) return showNothing(keepsDrawing);
  say('Searching …');
  try {
    const parameters = { q: text, limit, ...(at('all').checked ? { all: 'true' } : {}) };
    const answer = await json('/v1/library/search', parameters);
    if (mine !== generation) return;
    showFault(text, null);
    if (!keepsDrawing) setParts(answer.parts);
    showPhotos(answer);
  } catch (error) {
    if (mine !== generation) return;
    showFault(text, error);
    say('');
  }
}

function showNothing(keepsDrawing) {
  showFault('', null);
  if (!keepsDrawing) setParts([]);
  at('photos').replaceChildren();
  at('more').hidden = true;
  summary();
}

async function summary() {
  try {
    const library = await json('/v1/library');
    if (!at('query').value.trim()) say(`${count(library.photos, 'photo')} in the library.`);
  } catch (error) { say(error.message, true); }
}

function showFault(text, error) {
  const fault = at('fault');
  at('query').setAttribute('aria-invalid', String(error !== null));
  if (!error) return fault.replaceChildren();
  const [start, end] = error.answer?.span ?? [0, 0];
  const wrong = text.slice(start, end);
  fault.replaceChildren(error.message);
  if (wrong) fault.append(make('br'), text.slice(0, start), make('mark', { textContent: wrong }), text.slice(end));
}

// The drawing.

/** Takes the parts of an answer; things without a name stay, which the text does not have. */
function setParts(answered) {
  const drafts = parts.filter((part) => !isSaid(part));
  parts = [...answered.map((part) => ({ ...part })), ...drafts];
  draw();
}

/** Says the drawing as text, and searches for it. */
function drawingChanged({ isNew = false } = {}) {
  const text = parts.filter(isSaid).map(textOf).join(' AND ');
  at('query').value = text;
  limit = PAGE;
  search(text, { isNew, keepsDrawing: true });
}

function draw() {
  keepFocus(() => {
    drawBoxes();
    at('things').replaceChildren(...parts.map(rowOf));
  });
}

function drawBoxes() {
  at('canvas').querySelectorAll('.box').forEach((box) => box.remove());
  parts.forEach((part, index) => {
    if (isThing(part) && part.box) at('canvas').append(boxOf(part, index));
  });
  at('canvas-hint').hidden = parts.some((part) => part.box);
}

/** Gives the focus to what takes the place of the element that had it. */
function keepFocus(task) {
  const { part, kind } = document.activeElement?.dataset ?? {};
  task();
  if (part !== undefined) document.querySelector(`[data-part="${part}"][data-kind="${kind}"]`)?.focus();
}

function described(box) {
  const [left, top, right, bottom] = box.map((side) => `${Math.round(100 * side)} %`);
  return `from ${left} to ${right} across and ${top} to ${bottom} down`;
}

function boxOf(part, index) {
  const label = part.name || 'what?';
  const element = make('button', {
    type: 'button', className: `box${part.negated ? ' negated' : ''}`,
    'aria-label': `${part.negated ? 'not ' : ''}${label}, ${described(part.box)}`,
  }, make('span', { className: 'label', textContent: `${part.negated ? 'not ' : ''}${label}` }),
  make('span', { className: 'corner', 'aria-hidden': 'true' }));
  Object.assign(element.dataset, { part: index, kind: 'box' });
  element.style.setProperty('--colour', colourOf(part));
  place(element, part.box);
  adjustable(at('canvas'), element, part.box, (box) => setBox(part, box), () => remove(part));
  return element;
}

function setBox(part, box) {
  part.box = box;
  part.place = `box(${shown(box)})`;
  draw();
  drawingChanged();
}

function remove(part) {
  parts = parts.filter((other) => other !== part);
  draw();
  drawingChanged({ isNew: true });
  at('add').focus();
}

function rowOf(part, index) {
  const button = make('button', { type: 'button', textContent: 'Remove', 'aria-label': `Remove ${textOf(part) || 'the thing'}` });
  button.addEventListener('click', () => remove(part));
  if (!isThing(part)) {
    return make('li', { className: 'said' }, make('span', { textContent: part.text }), button);
  }
  const name = nameInput({ label: 'Thing', value: part.name, chosen: (chosen) => rename(part, chosen) });
  Object.assign(name.input.dataset, { part: index, kind: 'name' });
  const where = placeChoice(part);
  Object.assign(where.dataset, { part: index, kind: 'place' });
  const not = make('input', { type: 'checkbox', checked: part.negated });
  Object.assign(not.dataset, { part: index, kind: 'not' });
  not.addEventListener('change', () => {
    part.negated = not.checked;
    drawBoxes();
    drawingChanged({ isNew: true });
  });
  const row = make('li', {}, name.element, where, make('label', { className: 'check' }, not, ' not there'), button);
  if (part.rest) row.append(make('span', { className: 'quiet', textContent: part.rest }));
  row.style.setProperty('--colour', colourOf(part));
  return row;
}

async function rename(part, name) {
  // As the vocabulary spells it, in quotation marks if it needs them.
  const known = (await names()).find((one) => one.toLowerCase() === name.toLowerCase());
  part.name = known ?? name;
  // The rows stay: a click on one of them may have ended the name.
  drawBoxes();
  drawingChanged({ isNew: true });
}

function placeChoice(part) {
  const select = make('select', { 'aria-label': `Place of ${part.name || 'the thing'}` });
  select.add(new Option('anywhere', ''));
  for (const name of PLACES) select.add(new Option(name, name));
  if (part.place && !PLACES.includes(part.place)) {
    select.add(new Option(part.box ? 'as drawn' : part.place, part.place));
  }
  select.value = part.place ?? '';
  select.addEventListener('change', () => {
    part.place = select.value || null;
    part.box = null;
    // The server knows where its places are.
    const text = parts.filter(isSaid).map(textOf).join(' AND ');
    at('query').value = text;
    if (isSaid(part)) search(text, { isNew: true });
    else draw();
  });
  return select;
}

function add(box) {
  const part = { name: '', negated: false, place: box ? `box(${shown(box)})` : null, box, rest: '' };
  parts.push(part);
  draw();
  document.querySelector(`[data-part="${parts.length - 1}"][data-kind="name"]`).focus();
}

// Photos.

function showPhotos({ total, photos, kinds_of_people: people }) {
  at('photos').replaceChildren(...photos.map(photoOf));
  const found = total === 0 ? 'No photo is like that.' : `${count(total, 'photo')}${photos.length < total ? `, the best ${photos.length}` : ''}.`;
  const few = people ? ` Of people, the models know these alone: ${people.join(', ')}. Faces are known where the library was indexed with them.` : '';
  say(found + few);
  at('more').hidden = photos.length >= total || limit >= 1000;
}

function colourOfName(asked) {
  const thing = parts.find((part) => isThing(part) && !part.negated && part.name.toLowerCase() === asked.toLowerCase());
  return thing ? colourOf(thing) : COLOURS[0];
}

function photoOf(hit) {
  const name = fileName(hit.photo);
  const picture = make('img', { src: `/v1/library/photos/${hit.id}/picture?side=480`, alt: name, loading: 'lazy' });
  picture.addEventListener('error', () => picture.replaceWith(make('p', { className: 'quiet', textContent: 'This photo cannot be shown.' })));
  const open = make('button', { type: 'button', className: 'open', 'aria-label': `Look at ${name}` }, picture);
  open.addEventListener('click', () => showDetails(hit.id));
  if (hit.width && hit.height) {
    picture.width = hit.width;
    picture.height = hit.height;
    hit.matches.filter((match) => match.box).forEach((match) => {
      const [left, top, right, bottom] = match.box;
      const box = make('span', { className: 'found' });
      box.style.setProperty('--colour', colourOfName(match.asked));
      place(box, [left / hit.width, top / hit.height, right / hit.width, bottom / hit.height]);
      open.append(box);
    });
  }
  const chips = hit.matches.map((match) => {
    const whole = match.box ? '' : ', whole photo';
    const chip = make('li', { textContent: `${firstName(match.name)} ${percent(match.probability)}${whole}` });
    chip.style.setProperty('--colour', colourOfName(match.asked));
    return chip;
  });
  const why = make('details', {}, make('summary', { textContent: `Why ${percent(hit.score)}` }), make('ul', {}, reason(hit.explanation)));
  const similar = link('Similar photos', hit.similar);
  const correct = make('button', { type: 'button', textContent: 'Correct', 'aria-label': `Correct ${name}` });
  correct.addEventListener('click', () => showDetails(hit.id));
  return make('li', {}, make('article', {},
    open,
    make('p', { className: 'name', title: hit.photo }, make('span', { textContent: name }), make('strong', { textContent: percent(hit.score) })),
    make('ul', { className: 'chips', 'aria-label': 'Found in it' }, ...chips),
    make('p', { className: 'quiet', textContent: hit.taken ? hit.taken.replace('T', ' ') : '' }),
    ...copiesOf(hit),
    why,
    make('p', { className: 'row' }, similar, correct)));
}

/** The paths of the photos of equal bytes, which are not shown again. */
function copiesOf({ copies = [] }) {
  if (copies.length === 0) return [];
  const items = copies.map((path) => make('li', { textContent: path }));
  const number = copies.length === 1 ? '1 copy' : `${copies.length} copies`;
  return [make('details', {}, make('summary', { textContent: number }), make('ul', {}, ...items))];
}

function reason({ condition, score, how, parts: inner }) {
  const item = make('li', {}, make('b', { textContent: condition }), ` ${score.toFixed(3)} = ${how}`);
  if (inner?.length) item.append(make('ul', {}, ...inner.map(reason)));
  return item;
}

/** A link to a query that is followed on this page. */
function link(text, query) {
  const element = make('a', { href: `/library?${new URLSearchParams({ q: query })}`, textContent: text });
  element.addEventListener('click', (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    at('photo').close();
    follow(query);
  });
  return element;
}

function follow(query) {
  at('query').value = query;
  limit = PAGE;
  search(query, { isNew: true });
  at('query').focus();
  window.scrollTo(0, 0);
}

// One photo, and its corrections.

let details = null;
let correctionBox = null;
const right = nameInput({ label: 'Name', chosen: () => {} });
at('right-name').append(right.element);

async function showDetails(id) {
  try {
    setDetails(await json(`/v1/library/photos/${id}`));
    at('correction-status').textContent = '';
    at('photo').showModal();
  } catch (error) { say(error.message, true); }
}

function setDetails(answer) {
  details = answer;
  correctionBox = null;
  const name = fileName(answer.photo);
  at('photo-name').textContent = name;
  at('photo-picture').src = `/v1/library/photos/${answer.id}/picture?side=1200`;
  at('photo-picture').alt = name;
  const pixels = answer.width ? `${answer.width} × ${answer.height} pixels` : '';
  at('photo-facts').textContent = [answer.photo, pixels, answer.taken?.replace('T', ' '), answer.reason].filter(Boolean).join(' · ');
  at('photo-similar').replaceWith(Object.assign(link('Similar photos', answer.similar), { id: 'photo-similar' }));
  at('photo-view').querySelectorAll('.found, .box').forEach((box) => box.remove());
  at('findings').replaceChildren(...answer.findings.map(findingOf));
  const wrong = [...new Set(answer.findings.filter((one) => one.source === 'model').map((one) => one.name))];
  at('wrong-name').replaceChildren(new Option('nothing: it was missed', ''), ...wrong.map((name) => new Option(firstName(name), name)));
  right.input.value = '';
  at('new-name').checked = false;
  at('correction-box').textContent = '';
}

function findingOf(finding) {
  const where = finding.box ? described(finding.box) : 'the whole photo';
  const says = { model: percent(finding.probability), user: 'by you', refuted: 'not, you say' }[finding.source];
  const item = make('li', { className: finding.source },
    make('span', { textContent: `${firstName(finding.name)} ` }), make('span', { className: 'quiet', textContent: `${says}, ${where}` }));
  if (finding.source === 'model') {
    const wrong = make('button', { type: 'button', textContent: 'Wrong', 'aria-label': `${firstName(finding.name)} is wrong` });
    wrong.addEventListener('click', () => save({ wrong: finding.synset ?? finding.name }));
    item.append(wrong);
  }
  if (finding.box) {
    const outline = make('span', { className: 'found', hidden: true });
    place(outline, finding.box);
    at('photo-view').append(outline);
    for (const [event, hidden] of [['pointerenter', false], ['pointerleave', true], ['focusin', false], ['focusout', true]]) {
      item.addEventListener(event, () => { outline.hidden = hidden; });
    }
  }
  return item;
}

async function save(correction) {
  const path = `/v1/library/photos/${details.id}/corrections`;
  const request = correction ? post(JSON.stringify(correction), 'application/json') : { method: 'DELETE' };
  try {
    setDetails(await json(path, {}, request));
    at('correction-status').textContent = correction ? 'Saved.' : 'Undone.';
    at('correction-status').classList.remove('error');
    search(at('query').value, { keepsDrawing: true });
  } catch (error) {
    at('correction-status').textContent = error.message;
    at('correction-status').classList.add('error');
  }
}

drawable(at('photo-view'), (target) => target === at('photo-picture') || target === at('photo-view'), (box) => {
  correctionBox = box;
  at('photo-view').querySelectorAll('.box').forEach((old) => old.remove());
  const shownBox = make('span', { className: 'box' });
  place(shownBox, box);
  at('photo-view').append(shownBox);
  at('correction-box').textContent = `It is ${described(box)}.`;
  right.input.focus();
});
at('correction').addEventListener('submit', (event) => {
  event.preventDefault();
  const correction = {};
  if (right.input.value.trim()) correction.right = right.input.value.trim().replace(/^"(.*)"$/, '$1');
  if (at('wrong-name').value) correction.wrong = at('wrong-name').value;
  if (correction.right && correctionBox) correction.box = correctionBox;
  if (correction.right && at('new-name').checked) correction.new_name = true;
  save(correction);
});
at('undo').addEventListener('click', () => save(null));

// The page.

/** Folds the drawing where the photos would be below the screen: a query was typed, on a phone. */
function makeRoom() {
  if (matchMedia('(max-width: 40rem)').matches) at('drawing').open = false;
}

const typed = debounced(() => { limit = PAGE; search(at('query').value); }, 350);
at('query').addEventListener('input', typed);
at('search').addEventListener('submit', (event) => {
  event.preventDefault();
  limit = PAGE;
  makeRoom();
  search(at('query').value, { isNew: true });
});
at('all').addEventListener('change', () => search(at('query').value, { keepsDrawing: true }));
at('add').addEventListener('click', () => add(null));
at('more').addEventListener('click', () => {
  limit = Math.min(2 * limit, 1000);
  search(at('query').value, { keepsDrawing: true });
});
at('shape-choice').addEventListener('change', () => {
  at('canvas').style.aspectRatio = at('shape-choice').value;
});
drawable(at('canvas'), (target) => target === at('canvas') || target === at('canvas-hint'), add);

function fromUrl() {
  const parameters = new URLSearchParams(location.search);
  at('query').value = parameters.get('q') ?? '';
  at('all').checked = parameters.has('all');
  parts = [];
  limit = PAGE;
  search(at('query').value);
}
addEventListener('popstate', fromUrl);
fromUrl();
if (at('query').value) makeRoom();
