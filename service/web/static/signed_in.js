// Tells the page that asked for it that its reader is signed in again, as whom, with the token that its forms need now.
"use strict";

if (window.parent !== window) {
  const said = (name) => document.querySelector(`meta[name="${name}"]`).content;
  window.parent.postMessage({ csrf: said("csrf-token"), who: said("caller") }, location.origin);
}
