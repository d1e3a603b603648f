// Streamlit calls this again at each change of data and cleans up only once, the last time: so one playground belongs to the host node.
import { Playground } from './controller.js';

export default function main({ data, parentElement }) {
  const host = parentElement.querySelector('.playground');
  host.playground ??= new Playground(host, data.sets, data.address);
  host.playground.loop.refresh();
  return () => {
    host.playground?.loop.stop();
    host.playground = null;
  };
}
