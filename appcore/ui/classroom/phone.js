'use strict';
(() => {
  // What a phone shows of a class: a code to type, then the question that is asked now, then whether the answer was right. All text that
  // comes from the server is set as text, never as markup.
  const POLL = 2000, HIDDEN = 10000, PATIENCE = 4000;
  const page = document.getElementById('page'), note = document.getElementById('note');
  const parts = location.pathname.replace(/\/+$/, '').split('/'), root = parts.slice(0, parts.lastIndexOf('class') + 1).join('/');
  let code = parts[parts.lastIndexOf('class') + 1] || '', revision = null, shown = null, draft = null, sent = null, timer = 0, remind = () => say('');

  function make(name, attributes, ...children) {
    const found = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key.startsWith('on')) found.addEventListener(key.slice(2), value);
      else if (value !== false && value != null) found.setAttribute(key, value === true ? '' : value);
    }
    found.append(...children.filter((child) => child != null));
    return found;
  }
  const show = (...children) => page.replaceChildren(...children);
  const say = (text) => { if (note.textContent !== text) note.textContent = text; };

  // ---- the server

  async function ask(path, body) {
    const given = body === undefined ? {} : { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    const stop = new AbortController(), clock = setTimeout(() => stop.abort(), PATIENCE * 2);
    try {
      const answer = await fetch(`${root}/${encodeURIComponent(code)}/${path}`, { ...given, signal: stop.signal, cache: 'no-store' });
      const found = await answer.json().catch(() => ({ error: 'This app has no class now.' }));
      return { status: answer.status, ...found };
    } catch (error) {
      return { status: 0, error: 'No connection. Trying again …' };
    } finally { clearTimeout(clock); }
  }

  async function join() {
    const found = await ask('join', {});
    if (found.status === 200) {
      code = found.code;
      history.replaceState(null, '', `${root}/${code}`);
      say('');
      look();
    } else if (found.status === 0 || found.status === 429) {
      say(found.error);
      later(join, found.status ? 3 * POLL : POLL);
    } else askForCode(found.error);
  }

  async function look() {
    const found = await ask(revision === null ? 'state' : `state?since=${revision}`);
    if (found.status === 404) return ended();
    if (found.status === 403) return join();
    if (found.status !== 200) { say(found.error); return later(look, 2 * POLL); }
    if (found.revision !== revision) { revision = found.revision; turn(found); } else remind();
    later(look, document.hidden ? HIDDEN : POLL * (0.8 + 0.4 * Math.random()));
  }

  function later(act, wait) { clearTimeout(timer); timer = setTimeout(act, wait); }
  document.addEventListener('visibilitychange', () => { if (!document.hidden && revision !== null) later(look, 0); });

  // ---- what is shown

  function askForCode(problem) {
    const field = make('input', { id: 'code', name: 'code', autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false', maxlength: 12, 'aria-label': 'Code', placeholder: 'CODE' });
    const form = make('form', { onsubmit: (event) => { event.preventDefault(); code = field.value.trim(); if (code) join(); } },
      make('label', { for: 'code' }, 'Type the code that your teacher shows.'), field, make('button', { class: 'send' }, 'Come in'));
    show(make('h1', {}, 'Class'), form);
    say(problem || '');
    field.focus();
  }

  function ended() {
    clearTimeout(timer);
    revision = null;
    show(make('h1', {}, 'This class has ended'), make('p', {}, 'Nothing of it is kept.'));
    say('');
  }

  function turn(found) {
    const question = found.question;
    remind = () => say('');
    if (!question) {
      shown = null;
      show(make('h1', {}, 'You are in'), make('p', {}, 'A question comes as soon as your teacher asks one.'));
      return remind();
    }
    if (!shown || shown.id !== question.id) draft = null;
    shown = question;
    sent = found.mine === undefined ? null : found.mine;
    if (draft === null) draft = sent === null ? first(question) : copy(sent);
    if (found.truth) reveal(question, found.truth); else draw(question);
  }

  const copy = (value) => JSON.parse(JSON.stringify(value));
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  function first(question) {
    if (question.kind === 'choice') return { option: null, sure: null };
    if (question.kind === 'order') return question.options.map((_, place) => place);
    return question.options.map(() => question.start);
  }

  function draw(question) {
    const send = make('button', { class: 'send', onclick: () => deliver(question, send) }, '');
    const settle = () => {
      const is_whole = question.kind !== 'choice' || (draft.option !== null && draft.sure !== null), is_kept = sent !== null && same(draft, sent);
      send.disabled = !is_whole || is_kept;
      send.textContent = is_kept ? 'Sent' : sent === null ? 'Send' : 'Send the change';
      remind = () => say(is_kept ? 'Your answer is in. You can change it until the answer is shown.' : '');
      remind();
    };
    const body = { choice, order, curve }[question.kind](question, settle);
    show(make('h1', {}, question.text), ...body, send);
    settle();
  }

  async function deliver(question, send) {
    const answer = copy(draft);
    send.disabled = true;
    send.textContent = 'Sending …';
    const found = await ask('answer', { question: question.id, answer });
    if (!shown || shown.id !== question.id) return;
    if (found.status === 200) {
      sent = found.mine;
      if (same(answer, draft)) draft = copy(sent);
      draw(question);
    } else {
      draw(question);
      say(found.error);
      if (found.status === 400) revision = -1;  // it asks for what is shown now
      later(look, POLL);
    }
  }

  function choice(question, settle) {
    const press = (buttons, place, key) => { draft[key] = place; buttons.forEach((one, at) => one.setAttribute('aria-pressed', at === place)); settle(); };
    const group = (texts, key) => {
      const buttons = texts.map((text, place) => make('button', { 'aria-pressed': String(draft[key] === place), onclick: () => press(buttons, place, key) }, text));
      return buttons;
    };
    return [make('div', { class: 'list', role: 'group', 'aria-label': 'Answers' }, ...group(question.options, 'option')),
      make('h2', { id: 'sure' }, 'How sure are you?'), make('div', { class: 'row', role: 'group', 'aria-labelledby': 'sure' }, ...group(question.sure, 'sure'))];
  }

  function order(question, settle) {
    const list = make('ol', { class: 'list' });
    const move = (place, by) => {
      const other = place + by;
      [draft[place], draft[other]] = [draft[other], draft[place]];
      fill();
      const buttons = list.children[other].querySelectorAll('button');
      (buttons[by > 0 ? 1 : 0].disabled ? buttons[by > 0 ? 0 : 1] : buttons[by > 0 ? 1 : 0]).focus();
      settle();
    };
    const fill = () => list.replaceChildren(...draft.map((item, place) => make('li', {}, make('span', {}, `${place + 1}. ${question.options[item]}`),
      make('button', { 'aria-label': `${question.options[item]} up`, disabled: place === 0, onclick: () => move(place, -1) }, '↑'),
      make('button', { 'aria-label': `${question.options[item]} down`, disabled: place === draft.length - 1, onclick: () => move(place, 1) }, '↓'))));
    fill();
    return [make('p', { class: 'key' }, 'The highest first.'), list];
  }

  // ---- curves

  const SVG = 'http://www.w3.org/2000/svg', WIDE = 360, TALL = 270, LEFT = 46, RIGHT = 38, TOP = 12, BOTTOM = 42;
  function mark(name, attributes, text) {
    const found = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
    if (text !== undefined) found.textContent = text;
    return found;
  }

  function plot(question, label) {
    const count = question.options.length, scale = (value) => TOP + (TALL - TOP - BOTTOM) * (1 - (value - question.low) / (question.high - question.low));
    const across = (place) => LEFT + (WIDE - LEFT - RIGHT) * (count > 1 ? place / (count - 1) : 0.5);
    const picture = mark('svg', { viewBox: `0 0 ${WIDE} ${TALL}`, role: 'img', 'aria-label': label });
    for (let step = 0; step <= 4; step += 1) {
      const value = question.low + (question.high - question.low) * step / 4, y = scale(value);
      picture.append(mark('line', { class: 'grid', x1: LEFT, x2: WIDE - RIGHT, y1: y, y2: y }), mark('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, `${Math.round(value * 10) / 10}`));
    }
    const every = Math.ceil(count / 6);
    question.options.forEach((text, place) => { if (place % every === 0 || place === count - 1) picture.append(mark('text', { x: across(place), y: TALL - BOTTOM + 18, 'text-anchor': 'middle' }, text)); });
    picture.append(mark('text', { x: (LEFT + WIDE - RIGHT) / 2, y: TALL - 6, 'text-anchor': 'middle' }, question.x));
    const line = (values) => values.map((value, place) => `${across(place)},${scale(value)}`).join(' ');
    return { picture, scale, across, line, count };
  }

  function curve(question, settle) {
    const { picture, scale, across, line, count } = plot(question, 'Draw your curve');
    const drawn = mark('polyline', { class: 'mine drawn', points: line(draft) }), dots = draft.map((value, place) => mark('circle', { class: 'mine', r: 6, cx: across(place), cy: scale(value) }));
    picture.append(drawn, ...dots);
    const put = (place, value) => {
      draft[place] = Math.round(Math.min(question.high, Math.max(question.low, value)) * 10) / 10;
      dots[place].setAttribute('cy', scale(draft[place]));
      drawn.setAttribute('points', line(draft));
    };
    let last = null;
    const at = (event) => {
      const box = picture.getBoundingClientRect(), x = (event.clientX - box.left) * WIDE / box.width, y = (event.clientY - box.top) * TALL / box.height;
      const place = Math.min(count - 1, Math.max(0, Math.round((x - LEFT) / (WIDE - LEFT - RIGHT) * (count - 1))));
      return { place, value: question.low + (question.high - question.low) * (1 - (y - TOP) / (TALL - TOP - BOTTOM)) };
    };
    const pull = (event) => {
      const now = at(event), from = last || now, steps = Math.abs(now.place - from.place);
      for (let step = 0; step <= steps; step += 1) {  // a quick finger skips points
        const share = steps ? step / steps : 1;
        put(Math.round(from.place + (now.place - from.place) * share), from.value + (now.value - from.value) * share);
      }
      last = now;
      settle();
    };
    picture.addEventListener('pointerdown', (event) => { picture.setPointerCapture(event.pointerId); last = null; pull(event); });
    picture.addEventListener('pointermove', (event) => { if (last) pull(event); });
    for (const name of ['pointerup', 'pointercancel']) picture.addEventListener(name, () => { last = null; });
    const sliders = question.options.map((text, place) => make('input', { type: 'range', min: question.low, max: question.high, step: 'any', value: draft[place],
      'aria-label': `${question.y} at ${text}`, oninput: (event) => { put(place, Number(event.target.value)); settle(); } }));
    return [make('p', { class: 'key' }, `${question.y}, ${question.unit}. Draw with a finger.`), picture,
      make('details', {}, make('summary', { class: 'key' }, 'With sliders'), ...sliders)];
  }

  // ---- the truth

  function reveal(question, truth) {
    const body = { choice: choiceTruth, order: orderTruth, curve: curveTruth }[question.kind](question, truth);
    show(make('h1', {}, question.text), ...body, truth.why ? make('p', {}, truth.why) : null);
    remind = () => say(sent === null ? 'You did not answer this one.' : '');
    remind();
  }

  const verdict = (is_good, text) => make('p', { class: `verdict ${is_good ? 'good' : 'bad'}` }, text);

  function choiceTruth(question, truth) {
    const options = question.options.map((text, place) => make('button', { disabled: true, class: place === truth.answer ? 'right' : '', 'aria-pressed': String(sent !== null && sent.option === place) },
      place === truth.answer ? make('span', { class: 'tag' }, 'The answer') : null, text,
      sent !== null && sent.option === place ? make('span', { class: 'tag' }, `Yours, ${question.sure[sent.sure]}`) : null));
    const words = sent === null ? null : verdict(sent.option === truth.answer, sent.option === truth.answer ? 'Right' : 'Not so');
    return [words, make('div', { class: 'list' }, ...options)].filter(Boolean);
  }

  function orderTruth(question, truth) {
    const pairs = question.options.length * (question.options.length - 1) / 2;
    const wrong = sent === null ? [] : truth.above.filter(([first, second]) => sent.indexOf(first) > sent.indexOf(second));
    const words = sent === null ? null : verdict(!wrong.length, wrong.length ? `${pairs - wrong.length} of ${pairs} pairs are in order` : 'Right');
    const items = truth.answer.map((item, place) => make('li', {}, make('span', {}, `${place + 1}. ${question.options[item]}`, sent === null ? null
      : make('span', { class: 'tag' }, `yours: ${sent.indexOf(item) + 1}.`))));
    return [words, make('ol', { class: 'list' }, ...items)].filter(Boolean);
  }

  function curveTruth(question, truth) {
    const { picture, scale, across, line } = plot(question, 'The measured curve and yours');
    const around = [...truth.high.map((value, place) => [place, value]), ...truth.low.map((value, place) => [place, value]).reverse()];
    const inside = (value) => Math.min(question.high, Math.max(question.low, value));
    picture.append(mark('polygon', { class: 'range', points: around.map(([place, value]) => `${across(place)},${scale(inside(value))}`).join(' ') }));
    picture.append(mark('polyline', { class: 'truth', points: line(truth.answer.map(inside)) }));
    if (sent !== null) picture.append(mark('polyline', { class: 'mine', points: line(sent) }));
    const away = sent === null ? 0 : truth.answer.reduce((sum, value, place) => sum + Math.abs(value - sent[place]), 0) / sent.length;
    const unit = question.unit === '%' ? 'points' : question.unit;
    return [sent === null ? null : make('p', { class: 'verdict' }, `${Math.round(away)}\u00a0${unit} away on average`),
      make('p', { class: 'key' }, make('b', { class: 'true' }, '— measured'), sent === null ? null : make('b', { class: 'own' }, '   - - yours')), picture].filter(Boolean);
  }

  if (code) { show(make('h1', {}, 'Class'), make('p', {}, 'Coming in …')); join(); } else askForCode();
})();
