// plotly's script, asked for once in a page.
const SOURCE = new URL('app/static/plotly.min.js', document.baseURI).href;

function load() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  window.__plotlyLoading = window.__plotlyLoading || new Promise((done, failed) => {
    const script = document.createElement('script');
    script.src = SOURCE;
    script.onload = () => done(window.Plotly);
    script.onerror = (error) => {
      window.__plotlyLoading = null;  // whoever asks next tries again
      failed(error);
    };
    document.head.appendChild(script);
  });
  return window.__plotlyLoading;
}
