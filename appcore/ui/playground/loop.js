// Animation frames while there is something to do and somebody sees it: none in a hidden tab, nor out of sight.
export class Loop {
  // `draw(isStale)` says whether it wants to be called again; stale is what a change of size, theme or choice leaves behind.
  constructor(host, draw) {
    this.host = host;
    this.draw = draw;
    this.isSeen = true;
    this.sight = new IntersectionObserver((seen) => {
      this.isSeen = seen.at(-1).isIntersecting;
      if (this.isSeen) this.refresh();
    });
    this.sight.observe(host);
    this.size = new ResizeObserver(() => this.refresh());
    this.size.observe(host);
    this.onShown = () => { if (!document.hidden) this.refresh(); };
    document.addEventListener('visibilitychange', this.onShown);
    this.onTheme = (event) => { if (event.propertyName === 'color') this.refresh(); }; // the style sheet makes a change of theme a transition
    host.addEventListener('transitionend', this.onTheme);
  }

  // Draws everything once, and goes on while that asks for it.
  refresh() {
    this.isStale = true;
    this.ask();
  }

  ask() {
    if (!this.isStopped) this.request ||= requestAnimationFrame(() => this.frame());
  }

  frame() {
    this.request = 0;
    if (document.hidden || !this.isSeen || this.isStopped) return;
    const isStale = this.isStale;
    this.isStale = false;
    if (this.draw(isStale)) this.ask();
  }

  // Ends everything: nothing is called afterwards.
  stop() {
    this.isStopped = true;
    cancelAnimationFrame(this.request);
    this.sight.disconnect();
    this.size.disconnect();
    document.removeEventListener('visibilitychange', this.onShown);
    this.host.removeEventListener('transitionend', this.onTheme);
  }
}
