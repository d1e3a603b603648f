const PLAY = '<svg viewBox="0 0 24 24"><path d="M7 4v16l13-8z"/></svg>';
const PAUSE = '<svg viewBox="0 0 24 24"><path d="M6 4h4v16H6zM14 4h4v16h-4z"/></svg>';
const STEP = '<svg viewBox="0 0 24 24"><path d="M6 4v16l9-8zM16 4h3v16h-3z"/></svg>';
const REST = 350;  // ms without a movement, after which the server draws everything for the moment
const LONGEST = 250;  // ms of a frame that count, so that a page that was hidden goes on where it was
const PATIENCE = 5000;  // ms in which the server answers, or is asked again

const nextFrame = () => new Promise((done) => requestAnimationFrame(done));

class Player {
  constructor(node) {
    [this.button, this.slider, this.words, this.end, this.speed] = ['.play', 'input', 'output', '.end', 'select'].map((name) => node.querySelector(name));
    this.calm = window.matchMedia('(prefers-reduced-motion: reduce)');
    this.calm.onchange = () => { this.isPlaying = false; this.write(); };
    this.button.onclick = () => this.press();
    this.end.onclick = () => { this.isPlaying = false; this.goTo(this.data.stops.length - 1); };
    this.slider.oninput = () => { this.isPlaying = false; this.goTo(Number(this.slider.value)); };
    node.onkeydown = (event) => this.key(event);
    this.at = -1;
  }

  // New data of the server: its moment counts, unless this one is on its way to another.
  take(data, tell) {
    const isAnswer = data.at === this.asked;
    this.data = data;
    this.tell = tell;
    this.slider.max = data.stops.length - 1;
    if (isAnswer) this.asked = undefined;
    if (this.isPlaying || this.resting || this.isWaiting()) return;
    if (!isAnswer || this.at > data.stops.length - 1) this.show(data.stops.findLastIndex((stop) => stop <= data.at));
    this.write();
  }

  key(event) {
    if (event.target === this.speed) return;
    const last = this.data.stops.length - 1;
    const place = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: last }[event.key];
    if (event.key === ' ' && event.target === this.slider) this.press();
    else if (place === undefined) return;
    else {
      this.isPlaying = false;
      this.goTo(Math.min(Math.max(place, 0), last));
    }
    event.preventDefault();
  }

  press() {
    const last = this.data.stops.length - 1;
    if (this.calm.matches) this.goTo(this.at < last ? this.at + 1 : 0);
    else if (this.isPlaying) this.goTo(this.at, this.isPlaying = false);
    else this.play(this.at < last ? this.at : 0);
  }

  async play(from) {
    this.isPlaying = true;
    clearTimeout(this.resting);
    this.resting = undefined;
    let place = from;
    this.show(from);
    this.ask();
    for (let before = await nextFrame(); this.isPlaying;) {
      const last = this.data.stops.length - 1;
      const now = await nextFrame();
      place += last * Math.min(now - before, LONGEST) / (1000 * Number(this.speed.value));
      before = now;
      if (!this.isPlaying) return;
      if (place >= last) {
        this.isPlaying = false;
        this.goTo(last);
        return;
      }
      if (Math.floor(place) !== this.at) await this.show(Math.floor(place));
      if (this.data.news.some((news) => news > this.told && news <= this.stop)) this.ask();
    }
  }

  get stop() { return this.data.stops[this.at]; }

  goTo(place) {
    this.show(place);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      this.resting = undefined;
      this.ask(true);
    }, REST);
  }

  // Everything that the browser can draw alone.
  show(place) {
    this.at = Math.max(0, place);
    window.__playback = { edge: this.data.edges[this.at] };
    this.write();
    return Promise.all([...(window.__liveCharts ?? [])].map((host) => host.play?.(window.__playback.edge)));
  }

  write() {
    const isLast = this.at === this.data.stops.length - 1;
    const label = this.calm.matches ? 'Next step' : this.isPlaying ? 'Pause' : 'Play';
    if (this.button.title !== label) {
      this.button.innerHTML = { Play: PLAY, Pause: PAUSE }[label] ?? STEP;
      this.button.title = label;
      this.button.setAttribute('aria-label', label);
    }
    this.slider.value = this.at;
    this.slider.style.setProperty('--done', `${(100 * this.at) / (this.data.stops.length - 1)}%`);
    this.words.textContent = isLast ? `the end: ${this.data.words[this.at]}` : this.data.words[this.at];
    this.slider.setAttribute('aria-valuetext', this.words.textContent);
    this.end.disabled = isLast;
  }

  // The server draws the rest: while it plays one moment at a time, the newest when the one before is there.
  ask(rests = false) {
    if (!rests && this.isWaiting()) return;
    const isLast = this.at === this.data.stops.length - 1;
    this.told = this.asked = isLast ? this.data.last : this.stop;
    this.askedAt = performance.now();
    this.tell({ percent: (100 * this.asked) / this.data.last, rests });
  }

  isWaiting() { return this.asked !== undefined && performance.now() - this.askedAt < PATIENCE; }

  stopAll() {
    this.isPlaying = false;
    clearTimeout(this.resting);
    delete window.__playback;
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const node = parentElement.querySelector('.playback');
  node.player ??= new Player(node);
  node.player.take(data, (where) => setTriggerValue('moved', where));
  return () => node.player.stopAll();
}
