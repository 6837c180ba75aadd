'use strict';
/** The one name that scripts of a report share, and how they load data: script tags, since a page on disk cannot fetch. */
window.tunebench = (() => {
  const waiting = new Map();
  const root = () => document.body.dataset.root;

  /** Called by every file in data/: hands its content to whoever asked for it. */
  function receive(name, data) {
    waiting.get(name)?.resolve(data);
  }

  /** Load data/NAME.js once; the promise holds its content. */
  function load(name) {
    if (!waiting.has(name)) {
      const request = {};
      request.promise = new Promise((resolve, reject) => Object.assign(request, { resolve, reject }));
      waiting.set(name, request);
      const script = document.createElement('script');
      script.src = `${root()}data/${name}.js`;
      script.addEventListener('error', () => {
        waiting.delete(name);
        request.reject(new Error(`data/${name}.js does not load`));
      });
      document.head.append(script);
    }
    return waiting.get(name).promise;
  }

  /** What the page itself carries. */
  const data = () => JSON.parse(document.getElementById('data').textContent);

  return { receive, load, data };
})();
