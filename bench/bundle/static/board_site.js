'use strict';
/** Every leaderboard of the page sorts by the column whose header is pressed. */
for (const table of document.querySelectorAll('table.board')) tunebench.sort.enable([table], () => {});
