// Keeps the page fresh while somebody looks at it; without this script it is simply a page to reload.
"use strict";

const live = document.getElementById("live");
if (live) {
  live.hidden = false;
  setInterval(async () => {
    // Whoever is about to tap keeps what they look at.
    if (document.hidden || document.querySelector("main :focus")) return;
    const answer = await fetch(location.pathname, { cache: "no-store" }).catch(() => null);
    if (!answer || !answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector("main").replaceWith(fresh.querySelector("main"));
    document.title = fresh.title;
    const again = document.getElementById("live");
    if (again) again.hidden = false;
  }, 30000);
}
