// The i beside a chart's title: what it shows, how it is read, what would be surprising, with words that lead to the glossary.

const ABOUT_HEADS = ['', 'To read it: ', 'Surprising: '];

function fillAbout(panel, sentences) {
  panel.replaceChildren(...sentences.map((pieces, index) => {
    const line = document.createElement('p');
    const head = Object.assign(document.createElement('strong'), { textContent: ABOUT_HEADS[index] });
    line.append(head, ...pieces.map(([textContent, anchor]) => (
      anchor ? Object.assign(document.createElement('a'), { href: `glossary?term=${anchor}`, target: '_blank', textContent }) : textContent
    )));
    return line;
  }));
}

function showAbout(frame, sentences) {
  const [panel, button] = [frame.querySelector('.about'), frame.querySelector('.info')];
  button.hidden = !sentences.length;
  const show = (isOn) => {
    panel.hidden = !isOn;
    button.setAttribute('aria-expanded', String(isOn));
  };
  button.onclick = () => {
    fillAbout(panel, sentences);
    show(panel.hidden);
  };
  panel.onmousedown = (event) => event.preventDefault();  // a press on its words does not close it
  const leave = (event) => { if (event.relatedTarget !== button && !panel.contains(event.relatedTarget)) show(false); };
  button.onblur = leave;
  panel.onfocusout = leave;
  button.onkeydown = panel.onkeydown = (event) => { if (event.key === 'Escape') show(false); };
}

// Behind the last letter of the title, wherever that is.
function placeInfo(host) {
  const frame = host.parentElement;
  const [title, button] = [host.querySelector('.gtitle'), frame?.querySelector('.info')];
  const box = title?.getBoundingClientRect();
  if (!box?.width || !button) return;
  const edge = frame.getBoundingClientRect();
  button.style.visibility = 'visible';
  button.style.left = `${Math.min(box.right - edge.left + 8, edge.width - button.offsetWidth - 4)}px`;
  button.style.top = `${Math.max(0, box.top - edge.top + (Math.min(box.height, 26) - button.offsetHeight) / 2)}px`;
}
