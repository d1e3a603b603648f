// Arrow keys and those of a presenter's remote turn the steps; answers and progress are kept in this browser. Streamlit calls this again at each
// change of data and cleans up only once, so the one listener belongs to the host node.
const PLACE = 'pruning-lab.lessons';
const TURNS = { ArrowLeft: 'back', PageUp: 'back', ArrowRight: 'next', PageDown: 'next' };
const OWN = 'input:not([type=checkbox]), textarea, select, [role=slider], [role=radiogroup], [role=listbox], [role=combobox], [contenteditable=true]';

function turn(event) {
  const where = TURNS[event.key];
  if (!where || event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest?.(OWN)) return; // there the keys mean something else
  const button = document.querySelector(`.st-key-lesson-${where} button:not(:disabled)`);
  if (!button) return;
  event.preventDefault();
  button.click();
}

// A browser may keep nothing, or forbid it.
function kept() {
  try {
    return window.localStorage.getItem(PLACE) ?? '';
  } catch {
    return '';
  }
}

function keep(text) {
  try {
    window.localStorage.setItem(PLACE, text);
  } catch {
    // then the next visit begins anew
  }
}

export default function ({ data, parentElement, setStateValue }) {
  const host = parentElement.querySelector('.lesson-browser');
  if (!host.listens) {
    host.listens = true;
    document.addEventListener('keydown', turn);
  }
  if (data.keep === null) setStateValue('kept', kept());
  else keep(data.keep);
  return () => {
    document.removeEventListener('keydown', turn);
    host.listens = false;
  };
}
