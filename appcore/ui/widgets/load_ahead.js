__LOAD__

// A page without charts, when the browser has nothing else to do. Not where people pay for what is loaded.
export default function () {
  if (navigator.connection?.saveData) return;
  const whenIdle = window.requestIdleCallback ?? setTimeout;
  whenIdle(() => load().catch((error) => console.warn('plotly', error)));
}
