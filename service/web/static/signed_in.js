// Tells the page that asked for it that its reader is signed in again, with the token that its forms need now.
"use strict";

if (window.parent !== window) {
  window.parent.postMessage({ csrf: document.querySelector('meta[name="csrf-token"]').content }, location.origin);
}
