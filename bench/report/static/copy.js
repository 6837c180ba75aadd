'use strict';
/** Copies the methods as plain paragraphs; where the clipboard is closed, selects them instead. */
(() => {
  const button = document.getElementById('copy');
  const text = document.getElementById('methods-text');
  const said = document.getElementById('copied');
  button.hidden = false;
  button.addEventListener('click', async () => {
    const paragraphs = [...text.querySelectorAll('p')].map((one) => one.textContent).join('\n\n');
    try {
      await navigator.clipboard.writeText(paragraphs);
      said.textContent = 'Copied.';
    } catch {
      getSelection().selectAllChildren(text);
      said.textContent = 'Selected: copy with the keyboard.';
    }
  });
})();
