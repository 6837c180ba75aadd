'use strict';
// Not deferred: a page that opens blind must not be painted before its names are hidden.
if (/[#&]blind=1(&|$)/.test(location.hash)) document.documentElement.classList.add('veiled');
