// One photo: its names, its map, a blurred copy. Everything is computed in this browser.

import { filesOf, sorted } from './dropped.js';
import { EngineStopped, Lorgnette } from './lorgnette.js';
import { fetchNetwork } from './networks.js';

const at = (id) => document.getElementById(id);
const SHOWN = 8;

/** Open models by their numbers, as the choice of models has them. */
const models = new Map();
let lorgnette = null;
/** The network of faces, once it is open. */
let faces = null;
let photo = null;
let map = null;
/** Counts photos and models, so that a late answer about an earlier one is not shown. */
let generation = 0;

function say(text, isError = false) {
  at('status').textContent = text;
  at('status').className = isError ? 'error' : '';
}

/** Runs a step of the user's, and says what went wrong. */
async function attempt(step) {
  try {
    await step();
  } catch (error) {
    say(error.message, true);
    if (error instanceof EngineStopped) await openNetworks();
  }
}

function showLoad(text, { done = 0, total = 0 } = {}) {
  at('load-part').hidden = false;
  at('load-text').textContent = total ? `${text}: ${megabytes(done)} of ${megabytes(total)} MB` : text;
  if (total) at('load').value = done / total;
  else at('load').removeAttribute('value');
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

async function start() {
  showLoad('Loading the engine');
  lorgnette = await Lorgnette.start();
  // Where the page is neither from https nor from this machine, there are no service workers.
  const module = lorgnette.module.split('/').pop();
  navigator.serviceWorker?.register(`service-worker.js?module=${module}`)
    .catch((error) => console.warn(error.message));
  await openNetworks();
}

/** Opens the network of things, then that of faces. */
async function openNetworks() {
  models.clear();
  at('model').replaceChildren();
  const networks = await (await fetch('networks.json')).json();
  const fetched = ({ file, sha256 }, text) => fetchNetwork(new URL(file, document.baseURI), {
    sha256, onProgress: (progress) => showLoad(text, progress),
  });
  const bytes = await fetched(networks.model, 'Loading the network');
  addModel(await lorgnette.openModel(bytes, { name: networks.model.file.split('/').pop() }));
  faces = fetched(networks.faces, 'Loading the network of faces').then((file) => lorgnette.openFaces(file));
  await faces;
  at('load-part').hidden = true;
}

function addModel(model) {
  models.set(String(model.id), model);
  at('model').add(new Option(`${model.name} · ${model.classCount} classes`, model.id));
  at('model').value = model.id;
  at('model-part').hidden = false;
  return changeModel();
}

async function changeModel() {
  clearMap();
  const model = chosen();
  const names = await model.classes();
  at('classes').replaceChildren(...names.map((name) => new Option(name, name.split(',')[0])));
  if (photo) await classify();
  else say('');
}

/** The chosen model; `undefined` while the first one is loading. */
const chosen = () => models.get(at('model').value);

function openModel() {
  const model = chosen();
  if (!model) throw new Error('The network is still loading.');
  return model;
}

function list(element, entries) {
  element.replaceChildren(...entries.map(({ name, share, text }) => {
    const item = document.createElement('li');
    item.style.setProperty('--share', `${(100 * share).toFixed(2)}%`);
    const label = document.createElement('span');
    const number = document.createElement('span');
    label.textContent = name;
    number.textContent = text;
    item.append(label, number);
    return item;
  }));
}

async function classify() {
  const mine = ++generation;
  const model = chosen();
  if (!model) {
    say('The photo is looked at as soon as the network is here.');
    return;
  }
  say('Looking …');
  const started = performance.now();
  const answer = await model.classify(photo, { top: SHOWN });
  if (mine !== generation) return;
  const entries = answer.predictions.map(({ name, probability }) => ({
    name, share: probability, text: `${(100 * probability).toFixed(1)} %`,
  }));
  if (answer.unknown) entries.unshift({ name: 'unknown to this model', share: 0, text: '' });
  list(at('names'), entries);
  say(`${answer.width} × ${answer.height} pixels, named in ${took(started)}.`);
}

function took(started) {
  const milliseconds = performance.now() - started;
  return milliseconds < 1000 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

function show(image, blob) {
  if (image.src.startsWith('blob:')) URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
}

async function choosePhoto(file) {
  photo = file;
  clearMap();
  list(at('names'), []);
  show(at('photo'), file);
  at('results').hidden = false;
  at('blurred-part').hidden = at('download').hidden = true;
  await classify();
}

/** Opens what was dropped or chosen: a model, a photo, or both. */
async function chooseFiles(files) {
  const { trained, trainedName, model, photo: newPhoto } = sorted(files);
  if (trained.length === 0 && !model && !newPhoto) {
    throw new Error('There is no photo here, and no model: a trained model is a folder with model.json.');
  }
  if (newPhoto) photo = null;
  if (trained.length > 0 || model) {
    say('Opening the model …');
    if (models.size === 0) {
      throw new Error('The network is still loading: drop the model again when it is here.');
    }
    const base = models.values().next().value;
    const opened = model ? await lorgnette.openModel(model)
      : await lorgnette.openTrained(trained, base, { name: trainedName });
    await addModel(opened);
    for (const note of opened.notes) say(note);
  }
  if (newPhoto) await choosePhoto(newPhoto);
  else if (!photo) say(`${chosen().name} is open. Now a photo, please.`);
}

function clearMap() {
  map = null;
  at('overlay').hidden = at('map-tools').hidden = true;
  at('place').textContent = '';
}

/** Neighbouring classes get distant hues. */
// Grey for the cells that are of no class.
const colour = (index) => index === null ? 'hsl(0 0% 50%)' : `hsl(${(index * 137.508) % 360} 70% 50%)`;

async function showMap() {
  const started = performance.now();
  const mine = generation;
  const onProgress = ({ done, total }) => say(`Mapping … ${Math.round(100 * done / Math.max(total, 1))} %`);
  const answer = await openModel().map(photo, { outputStride: Number(at('stride').value), onProgress });
  if (mine !== generation) return;
  map = answer;
  drawMap();
  const shown = map.legend.slice(0, SHOWN);
  list(at('legend'), shown.map(({ name, share }) => ({
    name, share, text: `${(100 * share).toFixed(0)} %`,
  })));
  [...at('legend').children].forEach((item, index) => {
    item.style.borderInlineStart = `.6rem solid ${colour(shown[index].index)}`;
  });
  say(`${map.rows} × ${map.columns} cells in ${took(started)}. Point at the photo to read the names.`);
}

function drawMap() {
  const canvas = at('overlay');
  [canvas.width, canvas.height] = [map.columns, map.rows];
  const context = canvas.getContext('2d');
  map.cells.forEach((row, y) => row.forEach((index, x) => {
    context.fillStyle = colour(index);
    context.fillRect(x, y, 1, 1);
  }));
  // A cell's centre is `first` and then every `stride`.
  const [top, left] = map.first.map((centre) => centre - map.stride / 2);
  canvas.style.left = `${100 * left / map.width}%`;
  canvas.style.top = `${100 * top / map.height}%`;
  canvas.style.width = `${100 * map.columns * map.stride / map.width}%`;
  canvas.style.height = `${100 * map.rows * map.stride / map.height}%`;
  canvas.style.opacity = at('opacity').value / 100;
  canvas.hidden = at('map-tools').hidden = false;
}

function namePlace(event) {
  if (!map) return;
  const box = at('photo').getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * map.width;
  const y = (event.clientY - box.top) / box.height * map.height;
  const row = Math.round((y - map.first[0]) / map.stride);
  const column = Math.round((x - map.first[1]) / map.stride);
  const index = map.cells[row]?.[column];
  at('place').textContent = map.legend.find((entry) => entry.index === index)?.name ?? '';
}

async function blur() {
  const name = at('class').value.trim();
  const withFaces = at('faces').checked;
  if (!name && !withFaces) throw new Error('Name a class to blur, or take faces.');
  const model = openModel();
  if (withFaces) await faces;
  const started = performance.now();
  const onProgress = ({ done, total }) => say(`Blurring … ${Math.round(100 * done / Math.max(total, 1))} %`);
  const answer = await model.blur(photo, {
    classes: name ? [name] : [], faces: withFaces, how: at('how').value, onProgress,
  });
  show(at('blurred'), answer.picture);
  const extension = answer.picture.type === 'image/png' ? 'png' : 'jpg';
  at('download').href = at('blurred').src;
  at('download').download = `${(photo.name || 'photo').replace(/\.[^.]*$/, '')}-blurred.${extension}`;
  at('blurred-part').hidden = at('download').hidden = false;
  at('blurred-text').textContent = [blurredText(answer.blurred), ...answer.warnings].join(' ');
  at('blurred-part').scrollIntoView({ block: 'nearest' });
  say(`Blurred in ${took(started)}.`);
}

function blurredText(areas) {
  if (areas.length === 0) return 'Nothing was found: the photo is as it was.';
  const counts = new Map();
  for (const { name } of areas) counts.set(name, (counts.get(name) ?? 0) + 1);
  const parts = [...counts].map(([name, count]) => (count > 1 ? `${count} × ${name}` : name));
  return `Blurred: ${parts.join('; ')}. Look before you publish: networks make mistakes.`;
}

/** Disables a button while its step runs. */
async function withButton(button, step) {
  button.disabled = true;
  await attempt(step);
  button.disabled = false;
}

for (const id of ['file', 'folder']) {
  at(id).addEventListener('change', () => {
    const files = [...at(id).files];
    // The same file can be chosen again.
    at(id).value = '';
    if (files.length > 0) attempt(() => chooseFiles(files));
  });
}
at('model').addEventListener('change', () => attempt(changeModel));
at('map').addEventListener('click', () => withButton(at('map'), showMap));
at('blur').addEventListener('submit', (event) => {
  event.preventDefault();
  withButton(event.submitter, blur);
});
at('opacity').addEventListener('input', () => {
  at('overlay').style.opacity = at('opacity').value / 100;
});
at('view').addEventListener('pointermove', namePlace);
document.addEventListener('paste', (event) => {
  const files = [...event.clipboardData.files];
  if (files.length > 0) attempt(() => chooseFiles(files));
});
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  at('drop').classList.add('over');
});
document.addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) at('drop').classList.remove('over');
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  at('drop').classList.remove('over');
  const files = filesOf(event.dataTransfer);
  attempt(async () => chooseFiles(await files));
});

attempt(start);
