// Notifications at the ends of runs that were seen going on here. Texts of users reach the browser as text: a notification has no markup.
const PLACE = 'pruning-lab.alerts';
const FORBIDDEN = 'This browser forbids it: allow notifications for this address in its settings.';
const IMPOSSIBLE = 'This browser shows notifications on localhost and by https alone.';
const REFUSED = 'This browser shows no notifications of pages.';

// A browser may keep nothing, or forbid it.
function isWanted() {
  try {
    return window.localStorage.getItem(PLACE) === 'on';
  } catch {
    return false;
  }
}

function keep(isOn) {
  try {
    window.localStorage.setItem(PLACE, isOn ? 'on' : 'off');
  } catch {
    // then it holds for this page alone
  }
}

class Alerts {
  constructor(node) {
    [this.node, this.box, this.words] = [node, node.querySelector('input'), node.querySelector('output')];
    this.going = new Set();
    this.shown = new Map();
    this.box.onchange = () => this.press();
    this.box.checked = isWanted() && window.Notification?.permission === 'granted';
  }

  async press() {
    this.words.textContent = '';
    if (this.box.checked && (await this.permission()) !== 'granted') {
      this.box.checked = false;
      this.words.textContent = window.Notification && window.isSecureContext ? FORBIDDEN : IMPOSSIBLE;
    }
    keep(this.box.checked);
  }

  permission() {
    return window.Notification?.requestPermission?.();
  }

  // The runs as they are now; those that went on when they were seen last and do not now have ended.
  take(runs) {
    for (const run of runs) if (!run.isGoing && this.going.has(run.id) && this.box.checked) this.tell(run);
    this.going = new Set(runs.filter((run) => run.isGoing).map((run) => run.id));
    this.node.hidden = !this.going.size && !this.words.textContent;
  }

  tell(run) {
    try {
      const note = new window.Notification(run.title, { body: run.outcome, tag: run.id });  // of several tabs one is shown
      note.onclick = () => {
        window.focus();
        note.close();
      };
      this.shown.set(run.id, note);  // kept, or the press on it may find nobody
    } catch {
      this.words.textContent = REFUSED;  // on phones: only for apps that were installed
    }
  }
}

export default function ({ data, parentElement }) {
  const node = parentElement.querySelector('.alerts');
  node.alerts ??= new Alerts(node);
  node.alerts.take(data.runs);
}
