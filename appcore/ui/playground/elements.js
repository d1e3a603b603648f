// Labelled controls, made of the browser's own.

export const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in node && name !== 'list') node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

// A menu with its label; options: [[value, title], ...].
export function menu(label, options, value, onchange, help = '') {
  const field = element('select', { title: help, ariaLabel: label, onchange: () => onchange(field.value) });
  field.append(...options.map(([name, title]) => element('option', { value: String(name) }, title)));
  field.value = String(value);
  return { node: element('label', { className: 'field' }, element('span', {}, label), field), field };
}

export function button(label, help, onclick, className = '') {
  return element('button', { type: 'button', title: help, onclick, className }, label);
}

// A share as a bar with its number: call `set(share, text)`.
export function bar(label, className) {
  const inner = element('span', { className });
  const text = element('span', { className: 'number' });
  const node = element('div', { className: 'bar' }, element('span', {}, label), element('span', { className: 'track' }, inner), text);
  const set = (share, words) => {
    inner.style.width = `${100 * share}%`;
    if (text.textContent !== words) text.textContent = words;
  };
  return { node, set };
}
