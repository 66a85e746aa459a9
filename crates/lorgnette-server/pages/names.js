// An input that completes names: an editable combobox with a list, as WAI-ARIA describes it.
import { json, make } from '/pages/common.js';

/** Maximum number of names in a list. */
const MOST = 12;
let vocabulary = null;
let lists = 0;

/** The names that queries may have; asked for once. */
export function names() {
  vocabulary ??= json('/v1/library/vocabulary').then((answer) => answer.names);
  return vocabulary;
}

/** Names that begin with a text, then those with a word that does, then those that have it. */
export function completions(all, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const ranked = [[], [], []];
  for (const name of all) {
    const known = name.toLowerCase();
    const place = known.indexOf(wanted);
    if (place === 0) ranked[0].push(name);
    else if (place > 0) ranked[/[\s"'-]/.test(known[place - 1]) ? 1 : 2].push(name);
  }
  // Of names that begin alike, the shortest is the one that is meant.
  ranked[0].sort((a, b) => a.length - b.length);
  return ranked.flat().slice(0, MOST);
}

/** Returns an element with an input; `chosen` gets the name when it is decided. */
export function nameInput({ label, value = '', chosen }) {
  const id = `names-${++lists}`;
  const list = make('ul', { role: 'listbox', id, hidden: true, 'aria-label': 'Names' });
  const input = make('input', {
    type: 'text', value, autocomplete: 'off', spellcheck: false, role: 'combobox', 'aria-label': label,
    'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': id,
  });
  let active = -1;
  let last = value;

  const decide = (name) => {
    close();
    input.value = name;
    if (name.trim() !== last) chosen(last = name.trim());
  };
  const close = () => {
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  };
  const activate = (index) => {
    active = index;
    [...list.children].forEach((option, place) => option.setAttribute('aria-selected', String(place === index)));
    const option = list.children[index];
    if (!option) return input.removeAttribute('aria-activedescendant');
    input.setAttribute('aria-activedescendant', option.id);
    option.scrollIntoView({ block: 'nearest' });
  };
  // The name that Enter chooses: the active one, the typed one, or what it most likely begins.
  const meant = () => {
    const options = list.hidden ? [] : [...list.children].map((option) => option.textContent);
    const typed = input.value.trim().toLowerCase();
    return options[active] ?? options.find((name) => name.toLowerCase() === typed) ?? options[0] ?? input.value;
  };
  const open = async () => {
    const typed = input.value;
    const found = completions(await names(), typed);
    if (input.value !== typed || document.activeElement !== input) return;
    list.replaceChildren(...found.map((name, index) => {
      const option = make('li', { role: 'option', id: `${id}-${index}`, textContent: name, 'aria-selected': 'false' });
      // Before the input loses the focus.
      option.addEventListener('pointerdown', (event) => { event.preventDefault(); decide(name); });
      return option;
    }));
    list.hidden = found.length === 0;
    input.setAttribute('aria-expanded', String(found.length > 0));
    activate(-1);
  };

  input.addEventListener('input', open);
  input.addEventListener('blur', () => decide(input.value));
  input.addEventListener('keydown', (event) => {
    const length = list.hidden ? 0 : list.children.length;
    if (event.key === 'ArrowDown' && length) activate((active + 1) % length);
    else if (event.key === 'ArrowUp' && length) activate((active + length - (active < 0 ? 0 : 1)) % length);
    else if (event.key === 'ArrowDown') open();
    else if (event.key === 'Escape' && length) close();
    else if (event.key === 'Enter') decide(meant());
    else return;
    event.preventDefault();
  });
  const element = make('div', { className: 'combobox' }, input, list);
  return { element, input };
}
