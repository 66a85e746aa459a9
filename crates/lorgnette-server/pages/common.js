// What all pages need.

export const at = (id) => document.getElementById(id);

/** Makes an element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role' || name === 'for') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Shows a state, or an error, to eyes and screen readers. */
export function say(text, isError = false) {
  at('status').textContent = text;
  at('status').classList.toggle('error', isError);
}

/** An answer that is an error, with what else the server says of it. */
export class Refused extends Error {
  constructor(message, answer) {
    super(message);
    this.answer = answer;
  }
}

/** Sends a request and refuses answers that are errors. */
export async function ask(path, parameters = {}, options = {}) {
  const query = new URLSearchParams(parameters).toString();
  const response = await fetch(query ? `${path}?${query}` : path, options);
  if (response.ok) return response;
  let answer = {};
  try { answer = JSON.parse(await response.text()); } catch { /* Not JSON. */ }
  throw new Refused(answer.error || `${response.status} ${response.statusText}`, answer);
}

export async function json(path, parameters, options) {
  return (await ask(path, parameters, options)).json();
}

export const post = (body, type) => ({ method: 'POST', body, headers: type ? { 'Content-Type': type } : {} });

/** A share as percent; small ones with a decimal. */
export function percent(share) {
  const value = 100 * share;
  return value >= 9.95 || value === 0 ? `${value.toFixed(0)} %` : `${value.toFixed(1)} %`;
}

export const firstName = (name) => name.split(',')[0].trim();

export const fileName = (path) => path.split(/[\\/]/).pop();

/** Bytes in the unit that suits them. */
export function size(bytes) {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return power ? `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}` : `${bytes} bytes`;
}

export const count = (number, noun) => `${number} ${noun}${number === 1 ? '' : 's'}`;

/** Calls `task` when no call has come for a while. */
export function debounced(task, milliseconds) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => task(...values), milliseconds);
  };
}
