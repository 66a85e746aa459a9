// One photo: its names, its map, a blurred copy, and what the network saw; by one model or two.
import { ask, at, firstName, json, make, percent, post, say } from '/pages/common.js';

/** Names in a list. */
const TOP = 8;
let photo = null;
let photoUrl = '';
let blurredUrl = '';
let generation = 0;

/** A model's answers about the photo. */
class Pane {
  constructor(choice) {
    this.choice = choice;
    this.section = at('pane').content.firstElementChild.cloneNode(true);
    const find = (selector) => this.section.querySelector(selector);
    [this.title, this.view, this.photo, this.canvas, this.cursor, this.place] =
      ['h2', '.view', '.photo', 'canvas', '.cursor', '.place'].map(find);
    [this.names, this.legend, this.seen] = ['ol.names', '.legend', '.seen'].map(find);
    this.clear();
    this.photo.addEventListener('error', () => say('This browser cannot show the photo; the answers hold all the same.'));
    this.view.addEventListener('pointermove', (event) => this.point(event));
    this.view.addEventListener('pointerdown', (event) => this.point(event));
    this.view.addEventListener('keydown', (event) => this.step(event));
    at('panes').append(this.section);
  }

  get model() { return this.choice.value; }

  clear() {
    this.map = null;
    this.cell = null;
    this.canvas.hidden = this.legend.hidden = this.seen.hidden = this.cursor.hidden = true;
    this.place.textContent = '';
  }

  /** Shows the names of the photo. */
  async classify() {
    this.section.hidden = !this.model;
    if (!this.model) return;
    this.title.textContent = this.model;
    this.view.setAttribute('aria-label', `The photo, as ${this.model} sees it`);
    const answer = await json('/v1/classify', { model: this.model, top: TOP }, post(photo));
    const entries = answer.predictions.map(({ name, probability }) => (
      { name, share: probability, text: percent(probability) }));
    if (answer.unknown) entries.unshift({ name: 'unknown to this model', share: 0, text: '' });
    list(this.names, entries);
  }

  /** Shows the map over the photo. */
  async showMap() {
    if (!this.model) return;
    const map = await json('/v1/map', { model: this.model, output_stride: 16 }, post(photo));
    this.map = map;
    this.cell = null;
    [this.canvas.width, this.canvas.height] = [map.columns, map.rows];
    const context = this.canvas.getContext('2d');
    map.cells.forEach((row, y) => row.forEach((index, x) => {
      context.fillStyle = colour(index);
      context.fillRect(x, y, 1, 1);
    }));
    // A cell's centre is `first` and then every `stride`.
    const [top, left] = map.first.map((centre) => centre - map.stride / 2);
    Object.assign(this.canvas.style, {
      left: `${100 * left / map.width}%`, top: `${100 * top / map.height}%`,
      width: `${100 * map.columns * map.stride / map.width}%`, height: `${100 * map.rows * map.stride / map.height}%`,
      opacity: at('opacity').value / 100,
    });
    this.canvas.hidden = this.legend.hidden = false;
    const shown = map.legend.slice(0, TOP);
    const legend = this.legend.querySelector('ol');
    list(legend, shown.map((entry) => ({ name: entry.name, share: entry.share, text: percent(entry.share) })));
    [...legend.children].forEach((item, index) => {
      item.style.borderInlineStart = `.6rem solid ${colour(shown[index].index)}`;
    });
  }

  async showSeen() {
    if (!this.model) return;
    const picture = await (await ask('/v1/classify', { model: this.model, format: 'png', input: 'true' }, post(photo))).blob();
    this.seen.querySelector('img').src = URL.createObjectURL(picture);
    this.seen.hidden = false;
  }

  /** Names the place that a pointer is at. */
  point(event) {
    if (!this.map) return;
    const box = this.photo.getBoundingClientRect();
    const at = [(event.clientY - box.top) / box.height * this.map.height, (event.clientX - box.left) / box.width * this.map.width];
    this.cursor.hidden = true;
    this.name(at.map((pixel, side) => Math.round((pixel - this.map.first[side]) / this.map.stride)));
  }

  /** Goes over the map with the arrow keys. */
  step(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step || !this.map) return;
    event.preventDefault();
    const { rows, columns, first, stride, width, height } = this.map;
    const from = this.cell ?? [Math.floor(rows / 2), Math.floor(columns / 2)];
    const limits = [rows - 1, columns - 1];
    const cell = from.map((place, side) => Math.min(Math.max(place + step[side], 0), limits[side]));
    this.cursor.hidden = false;
    this.cursor.style.top = `${100 * (first[0] + cell[0] * stride) / height}%`;
    this.cursor.style.left = `${100 * (first[1] + cell[1] * stride) / width}%`;
    this.name(cell);
  }

  name(cell) {
    this.cell = cell;
    const index = this.map.cells[cell[0]]?.[cell[1]];
    this.place.textContent = this.map.legend.find((entry) => entry.index === index)?.name ?? '';
  }
}

function list(element, entries) {
  element.replaceChildren(...entries.map(({ name, share, text }) => {
    const item = make('li', {}, make('span', { textContent: name }), make('span', { textContent: text }));
    item.style.setProperty('--share', `${(100 * share).toFixed(2)}%`);
    return item;
  }));
}

function colour(index) {
  // Neighbouring classes get distant hues.
  return `hsl(${(index * 137.508) % 360} 70% 50%)`;
}

const panes = [new Pane(at('model')), new Pane(at('second'))];

async function loadModels() {
  const models = await json('/v2/repository/index', {}, post('{"ready":true}'));
  const names = [...new Set(models.map((model) => model.name))];
  for (const name of names) {
    at('model').add(new Option(name, name));
    at('second').add(new Option(name, name));
  }
  if (names.length === 0) throw new Error('No model is ready yet.');
}

/** The end of loading the models, which a photo may come before. */
const loaded = loadModels();

/** Does something for both models, unless another photo or model was chosen meanwhile. */
async function both(state, task, done) {
  if (!photo) return;
  const mine = ++generation;
  say(state);
  try {
    await loaded;
    if (mine !== generation) return;
    for (const pane of panes) {
      await task(pane);
      if (mine !== generation) return;
    }
    say(done);
  } catch (error) { if (mine === generation) say(error.message, true); }
}

const classify = () => both('Looking …', (pane) => pane.classify(), 'Done.');

function choose(file) {
  if (!file) return;
  photo = file;
  URL.revokeObjectURL(photoUrl);
  photoUrl = URL.createObjectURL(file);
  changed();
  for (const id of ['map', 'seen']) at(id).disabled = false;
  at('blur').hidden = false;
}

/** Shows the photo anew, by the models that are chosen. */
function changed() {
  panes.forEach((pane) => { pane.clear(); pane.photo.src = photoUrl; });
  for (const id of ['map-tools', 'download', 'original-choice']) at(id).hidden = true;
  classify();
}

async function showMaps() {
  await both('Mapping …', (pane) => pane.showMap(), 'Each place has the colour of its class.');
  at('map-tools').hidden = !panes[0].map;
  const legend = panes[0].map?.legend ?? [];
  at('classes').replaceChildren(...legend.map((entry) => new Option(entry.name, firstName(entry.name))));
}

async function blur(event) {
  event.preventDefault();
  say('Blurring …');
  try {
    await loaded;
    const parameters = { model: at('model').value, faces: at('faces').checked, format: 'jpeg' };
    if (at('class').value) parameters.class = at('class').value;
    const blurred = await (await ask('/v1/blur', parameters, post(photo))).blob();
    URL.revokeObjectURL(blurredUrl);
    blurredUrl = URL.createObjectURL(blurred);
    at('download').href = blurredUrl;
    at('download').hidden = at('original-choice').hidden = false;
    at('original').checked = false;
    panes[0].canvas.hidden = true;
    showBlurred();
    say('Blurred.');
  } catch (error) { say(error.message, true); }
}

function showBlurred() {
  panes[0].photo.src = at('original').checked ? photoUrl : blurredUrl;
}

at('file').addEventListener('change', () => choose(at('file').files[0]));
at('camera').addEventListener('change', () => choose(at('camera').files[0]));
at('model').addEventListener('change', () => { if (photo) changed(); });
at('second').addEventListener('change', () => { if (photo) changed(); });
at('map').addEventListener('click', showMaps);
at('seen').addEventListener('click', () => both('Asking …', (pane) => pane.showSeen(), 'Done.'));
at('blur').addEventListener('submit', blur);
at('faces').addEventListener('change', () => { at('class').required = !at('faces').checked; });
at('original').addEventListener('change', showBlurred);
at('opacity').addEventListener('input', () => {
  panes.forEach((pane) => { pane.canvas.style.opacity = at('opacity').value / 100; });
});
document.addEventListener('paste', (event) => choose(event.clipboardData.files[0]));
document.addEventListener('dragover', (event) => { event.preventDefault(); at('drop').classList.add('over'); });
document.addEventListener('dragleave', () => at('drop').classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  at('drop').classList.remove('over');
  choose(event.dataTransfer.files[0]);
});
loaded.catch((error) => say(error.message, true));
