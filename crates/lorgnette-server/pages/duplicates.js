// Groups of duplicates: which to keep, and a list of the rest.
import { at, count, fileName, json, make, say, size } from '/pages/common.js';

/** Groups of a page. */
const PAGE = 50;
let limit = PAGE;
let groups = [];

async function show() {
  const near = at('near').value;
  history.replaceState(null, '', near ? `?near=${near}` : location.pathname);
  say('Comparing …');
  try {
    const answer = await json('/v1/library/duplicates', { limit, ...(near ? { near } : {}) });
    // The best photo of a group comes first, and is kept.
    groups = answer.groups.map((group) => ({ ...group, keep: group.photos.map((_, index) => index === 0) }));
    at('groups').replaceChildren(...groups.map(groupOf));
    const some = answer.groups.length < answer.total ? `, the largest ${answer.groups.length}` : '';
    say(answer.total === 0 ? 'There are no duplicates.' : `${count(answer.total, 'group')}${some}.`);
    at('more').hidden = answer.groups.length >= answer.total || limit >= 1000;
    listRest();
  } catch (error) { say(error.message, true); }
}

function groupOf(group, number) {
  const similarity = group.similarity === 1 ? 'equal' : `similarity ${group.similarity.toFixed(3)}`;
  const warning = make('p', { className: 'error', 'aria-live': 'polite' });
  const photos = group.photos.map((photo, index) => {
    const keep = make('input', { type: 'checkbox', checked: group.keep[index] });
    keep.addEventListener('change', () => {
      group.keep[index] = keep.checked;
      warning.textContent = group.keep.includes(true) ? '' : 'None of these is kept.';
      listRest();
    });
    const pixels = photo.width ? `${photo.width} × ${photo.height}, ` : '';
    const name = fileName(photo.photo);
    return make('div', {},
      make('img', { src: `/v1/library/photos/${photo.id}/picture?side=320`, alt: name, loading: 'lazy' }),
      make('label', { className: 'check' }, keep, `Keep ${name}`),
      make('p', { className: 'quiet', textContent: `${pixels}${size(photo.bytes)}${photo.taken ? `, ${photo.taken.replace('T', ' ')}` : ''}` }),
      make('p', { className: 'quiet', textContent: photo.photo }));
  });
  return make('fieldset', {}, make('legend', { textContent: `Group ${number + 1}: ${count(group.photos.length, 'photo')}, ${similarity}` }), ...photos, warning);
}

function listRest() {
  const rest = groups.flatMap((group) => group.photos.filter((_, index) => !group.keep[index]));
  const bytes = rest.reduce((sum, photo) => sum + photo.bytes, 0);
  // A line break in a name would make two lines of it.
  const lines = rest.map((photo) => photo.photo).filter((path) => !/[\r\n]/.test(path));
  const text = lines.map((path) => `${path}\n`).join('');
  const left = rest.length - lines.length;
  at('rest').value = text;
  at('rest-count').textContent = rest.length ? `${count(rest.length, 'file')}, ${size(bytes)}.` : 'Nothing.';
  if (left) at('rest-count').append(` ${count(left, 'file')} with a line break in the name ${left === 1 ? 'is' : 'are'} not listed.`);
  URL.revokeObjectURL(at('download').href);
  at('download').href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  at('download').hidden = rest.length === 0;
}

at('near').value = new URLSearchParams(location.search).get('near') ?? '';
at('near').addEventListener('change', () => { limit = PAGE; show(); });
at('more').addEventListener('click', () => { limit = Math.min(2 * limit, 1000); show(); });
at('copy').addEventListener('click', async () => {
  at('rest').select();
  try {
    await navigator.clipboard.writeText(at('rest').value);
    say('Copied.');
  } catch { say('Press Ctrl+C to copy the list.'); }
});
show();
