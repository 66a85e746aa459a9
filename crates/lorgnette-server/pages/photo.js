'use strict';
// One photo: its names, its map, a blurred copy, and what the network saw.
const at = (id) => document.getElementById(id);
let photo = null;
let map = null;
let generation = 0;

function say(text, isError) {
  at('status').textContent = text;
  at('status').className = isError ? 'error' : '';
}

async function ask(path, body, parameters) {
  const query = new URLSearchParams(parameters);
  const response = await fetch(`${path}?${query}`, { method: 'POST', body });
  if (!response.ok) {
    const text = await response.text();
    let message = `${response.status} ${response.statusText}`;
    try { message = JSON.parse(text).error || message; } catch { /* Not JSON. */ }
    throw new Error(message);
  }
  return response;
}

async function loadModels() {
  const response = await ask('/v2/repository/index', '{"ready":true}', {});
  const names = [...new Set((await response.json()).map((model) => model.name))];
  for (const name of names) {
    at('model').add(new Option(name, name));
    at('second').add(new Option(name, name));
  }
  if (names.length === 0) say('No model is ready yet.', true);
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

async function names(model, element, part) {
  const answer = await (await ask('/v1/classify', photo, { model, top: 8 })).json();
  const entries = answer.predictions.map((prediction) => ({
    name: prediction.name,
    share: prediction.probability,
    text: `${(100 * prediction.probability).toFixed(1)} %`,
  }));
  if (answer.unknown) entries.unshift({ name: 'unknown to this model', share: 0, text: '' });
  list(element, entries);
  part.hidden = false;
}

async function classify() {
  if (!photo) return;
  const mine = ++generation;
  say('Looking …');
  try {
    await names(at('model').value, at('names'), at('names-part'));
    if (at('second').value) await names(at('second').value, at('second-names'), at('second-part'));
    else at('second-part').hidden = true;
    if (mine === generation) say('Done.');
  } catch (error) { say(error.message, true); }
}

function choose(file) {
  if (!file) return;
  photo = file;
  clearMap();
  at('photo').src = URL.createObjectURL(file);
  for (const id of ['photo-part', 'blur']) at(id).hidden = false;
  for (const id of ['seen-part', 'download']) at(id).hidden = true;
  for (const id of ['map', 'seen']) at(id).disabled = false;
  classify();
}

function clearMap() {
  map = null;
  at('overlay').hidden = at('map-tools').hidden = true;
  at('place').textContent = '';
}

function colour(index) {
  // Neighbouring classes get distant hues.
  return `hsl(${(index * 137.508) % 360} 70% 50%)`;
}

async function showMap() {
  say('Mapping …');
  try {
    map = await (await ask('/v1/map', photo, { model: at('model').value, output_stride: 16 })).json();
  } catch (error) { say(error.message, true); return; }
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
  at('view').style.overflow = 'hidden';
  canvas.hidden = at('map-tools').hidden = false;
  const shown = map.legend.slice(0, 8);
  list(at('legend'), shown.map((entry) => ({
    name: entry.name, share: entry.share, text: `${(100 * entry.share).toFixed(0)} %`,
  })));
  [...at('legend').children].forEach((item, index) => {
    item.style.borderInlineStart = `.6rem solid ${colour(shown[index].index)}`;
  });
  at('classes').replaceChildren(...map.legend.map((entry) => new Option(entry.name, entry.name.split(',')[0])));
  say('Point at the photo to read the names.');
}

function namePlace(event) {
  if (!map) return;
  const box = at('photo').getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * map.width;
  const y = (event.clientY - box.top) / box.height * map.height;
  const row = Math.round((y - map.first[0]) / map.stride);
  const column = Math.round((x - map.first[1]) / map.stride);
  const index = map.cells[row]?.[column];
  const entry = map.legend.find((entry) => entry.index === index);
  at('place').textContent = entry ? entry.name : '';
}

async function blur(event) {
  event.preventDefault();
  say('Blurring …');
  try {
    const parameters = { model: at('model').value, class: at('class').value, format: 'jpeg' };
    const blurred = URL.createObjectURL(await (await ask('/v1/blur', photo, parameters)).blob());
    at('overlay').hidden = true;
    at('photo').src = at('download').href = blurred;
    at('download').hidden = false;
    say('Blurred.');
  } catch (error) { say(error.message, true); }
}

async function showSeen() {
  try {
    const parameters = { model: at('model').value, format: 'png', input: 'true' };
    at('seen-picture').src = URL.createObjectURL(await (await ask('/v1/classify', photo, parameters)).blob());
    at('seen-part').hidden = false;
  } catch (error) { say(error.message, true); }
}

at('file').addEventListener('change', () => choose(at('file').files[0]));
at('model').addEventListener('change', () => { clearMap(); at('seen-part').hidden = true; classify(); });
at('second').addEventListener('change', classify);
at('map').addEventListener('click', showMap);
at('seen').addEventListener('click', showSeen);
at('blur').addEventListener('submit', blur);
at('opacity').addEventListener('input', () => { at('overlay').style.opacity = at('opacity').value / 100; });
at('view').addEventListener('pointermove', namePlace);
document.addEventListener('paste', (event) => choose(event.clipboardData.files[0]));
document.addEventListener('dragover', (event) => { event.preventDefault(); at('drop').classList.add('over'); });
document.addEventListener('dragleave', () => at('drop').classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  at('drop').classList.remove('over');
  choose(event.dataTransfer.files[0]);
});
loadModels().catch((error) => say(error.message, true));
