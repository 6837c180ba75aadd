'use strict';
/** Skips to the content without a new address, whose hash says what the page shows. */
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  document.getElementById('main').focus();
});
