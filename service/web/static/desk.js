// What all pages of the desk share: times, toasts, drafts, signing in again. Everything works by links and forms without it.
"use strict";

const desk = {};
desk.csrf = document.querySelector('meta[name="csrf-token"]').content;
desk.who = document.querySelector('meta[name="caller"]').content;
document.addEventListener("htmx:configRequest", (e) => { e.detail.headers["X-CSRF-Token"] = desk.csrf; });

// A line at the foot of the page, with what to do about it.
desk.toast = (text, label, act, ms = 6000) => {
  const box = document.getElementById("toast");
  delete box.dataset.aside;
  box.replaceChildren(text);
  if (label) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", () => { box.replaceChildren(); act(); });
    box.append(button);
  }
  clearTimeout(desk.toasting);
  desk.toasting = setTimeout(() => box.replaceChildren(), ms);
};
// What the page finds by itself, again and again, talks over nothing that somebody did, and is said once.
desk.aside = (text, label, act) => {
  const box = document.getElementById("toast");
  if (box.hasChildNodes()) return;
  desk.toast(text, label, act, 60000);
  box.dataset.aside = "yes";
};
desk.asideOver = () => {
  const box = document.getElementById("toast");
  if (box.dataset.aside) box.replaceChildren();
};

// Times go by the service's clock: its difference to this machine's is taken once.
const stated = document.body.dataset.now;
desk.skew = stated ? Date.parse(stated) - Date.now() : 0;
desk.span = (ms) => {
  const s = Math.floor(Math.abs(ms) / 1000);
  if (s < 60) return "<1 min";
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}`;
  return `${Math.floor(s / 86400)} days`;
};
// Browsers still say some zones by their old names.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone.replace("Asia/Calcutta", "Asia/Kolkata");
const local = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit" });
const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const tock = (t, now) => {
  const since = now - Date.parse(t.dateTime);
  if (t.hasAttribute("data-due")) {
    write(t, since <= 0 ? `in ${desk.span(since)}` : `${desk.span(since)} late`);
    t.toggleAttribute("data-late", since > 0);
  } else write(t, t.hasAttribute("data-ago") ? `${desk.span(since)} ago` : desk.span(since));
};
// A long list in parts, between which the page answers to whoever scrolls it.
const TICKS = 40;
desk.tick = (root = document) => {
  const all = [...root.querySelectorAll("time[data-due], time[data-ago], time[data-span]")];
  const part = (from) => {
    const now = Date.now() + desk.skew;
    for (const t of all.slice(from, from + TICKS)) tock(t, now);
    if (from + TICKS < all.length) setTimeout(part, 0, from + TICKS);
  };
  part(0);
};
desk.localize = (root = document) => {
  for (const other of root.querySelectorAll("[data-zone]")) other.hidden = other.dataset.zone === zone;
  for (const t of root.querySelectorAll("time[data-at]")) {
    const at = new Date(t.dateTime), isNear = t.hasAttribute("data-near") && at.toDateString() === new Date().toDateString();
    write(t, isNear ? hour.format(at) : local.format(at).replace(",", ""));
  }
};
// Moments are typed in the viewer's zone, which is sent along.
desk.zone = (root = document) => {
  for (const field of root.querySelectorAll("input[name=zone]")) field.value = zone;
  for (const word of root.querySelectorAll("[data-zone-name]")) write(word, zone);
};
desk.look = (root) => { desk.tick(root); desk.localize(root); desk.zone(root); desk.keepDrafts(root); };
const zoned = document.getElementById("zone");
if (zoned) zoned.textContent = `Times in ${zone}`;
setInterval(() => desk.tick(), 5000);
document.addEventListener("htmx:afterSwap", (e) => desk.look(e.target.parentNode || document));

// What somebody is writing outlives a reload, an error, a restart and the end of a session; in this tab only.
// Of words that others write too, what stood there when it was begun is kept with them: the service compares.
const draftOf = (field) => `draft ${location.pathname} ${field.dataset.draft}`;
const markOf = (field) => field.form?.elements[`seen ${field.dataset.draft}`];
desk.keepDrafts = (root = document) => {
  for (const field of root.querySelectorAll("[data-draft]")) {
    if (field.dataset.kept) continue;
    field.dataset.kept = "yes";
    const kept = sessionStorage.getItem(draftOf(field)), mark = markOf(field), isChoice = field.type === "radio";
    const keep = () => {
      sessionStorage.setItem(draftOf(field), field.value);
      if (mark) sessionStorage.setItem(`${draftOf(field)} mark`, mark.value);
    };
    if (field.hasAttribute("data-unsaved")) {
      keep();
    } else if (isChoice) {
      if (kept !== null) field.checked = field.value === kept;
    } else if (kept !== null && (mark || !field.value)) {
      field.value = kept;
      // What hangs on it follows, once the page is whole.
      if (field.tagName === "SELECT") setTimeout(() => field.dispatchEvent(new Event("change", { bubbles: true })));
      if (mark) mark.value = sessionStorage.getItem(`${draftOf(field)} mark`) ?? mark.value;
      // How it looks is asked for as if it had just been written.
      if (mark) setTimeout(() => field.dispatchEvent(new Event("input", { bubbles: true })));
    }
    field.addEventListener("input", keep);
  }
};
// What was begun for one thing is no draft for another.
desk.draftFor = (field, name) => {
  field.dataset.draft = name;
  field.value = sessionStorage.getItem(draftOf(field)) ?? "";
};
desk.forget = (field) => sessionStorage.removeItem(draftOf(field));
// What was sent is kept until the next page shows that it was taken.
desk.forgetDrafts = (form) => {
  // Whoever signs out leaves nothing to the next one at this machine.
  if (form.action.endsWith("/desk/sign-out")) { sessionStorage.clear(); return; }
  const sent = [...form.querySelectorAll("[data-draft]")].map(draftOf);
  if (sent.length) sessionStorage.setItem("sent", JSON.stringify(sent));
};
const sent = JSON.parse(sessionStorage.getItem("sent") || "[]");
// A page that was come to by other ways, after a proxy's error or none at all, says nothing of what was sent.
const way = performance.getEntriesByType("navigation")[0];
const arrived = way?.type === "navigate" && (way.redirectCount > 0 || "taken" in document.body.dataset);
if (sent.length && !document.querySelector("[data-failed]") && arrived) {
  for (const key of sent) { sessionStorage.removeItem(key); sessionStorage.removeItem(`${key} mark`); }
}
sessionStorage.removeItem("sent");

// Signing in again, over the page, so that nothing on it is lost.
desk.signIn = () => desk.signing ??= new Promise((done) => {
  const box = document.createElement("dialog");
  box.setAttribute("aria-label", "Sign in again");
  const frame = document.createElement("iframe");
  frame.title = "Sign in";
  frame.src = "/desk/sign-in?next=/desk/signed-in";
  box.append(frame);
  document.body.append(box);
  const end = (ok) => { window.removeEventListener("message", heard); box.remove(); desk.signing = null; desk.dismissed = !ok; done(ok); };
  const heard = (e) => {
    if (e.origin !== location.origin || !e.data || !e.data.csrf) return;
    desk.useToken(e.data.csrf);
    box.close();
    desk.isOther = e.data.who !== desk.who;
    end(true);
  };
  window.addEventListener("message", heard);
  box.addEventListener("cancel", () => end(false));
  box.showModal();
});

// Where somebody else has signed in, the page becomes theirs before they go on; only a form that is sent goes first.
desk.isTheirs = () => {
  if (desk.isOther) setTimeout(() => { if (!document.querySelector("form[data-sent]")) location.reload(); });
  return !desk.isOther;
};

// One call; asks to sign in when the session is over, and says what was wrong, with a way to try again.
// `refused` is called at once where there is no connection, so that what was shown already can be taken back.
desk.call = async (method, path, body, { retried = false, refused = () => {} } = {}) => {
  const again = () => desk.call(method, path, body, { retried: true, refused });
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: { "X-CSRF-Token": desk.csrf, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
      redirect: "manual",
    });
  } catch {
    refused();
    return await new Promise((done) => desk.toast("No connection: this was not done.", "Try again", () => done(again()), 60000));
  }
  const over = answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403;
  if (!over || retried) return answer;
  const before = desk.csrf;
  if (await desk.lost() ? await desk.signIn() : desk.csrf !== before) return desk.isTheirs() ? await again() : null;
  return answer;
};
// What the page asks for by itself; null where there is no connection, or nobody is signed in.
desk.read = async (path, headers = {}) => {
  try {
    const answer = await fetch(path, { headers: { "X-CSRF-Token": desk.csrf, ...headers }, redirect: "manual" });
    if (answer.type !== "opaqueredirect" && answer.status !== 401) return answer;
    await desk.askAgain(() => {});
  } catch { /* The stream says that the connection is lost. */ }
  return null;
};
// Whoever has put signing in aside goes on reading, and is not asked each second.
desk.askAgain = async (then) => {
  const ask = async () => { if ((await desk.signIn()) && desk.isTheirs()) then(); };
  if (desk.dismissed) desk.aside("You are signed out: what you see may be old.", "Sign in", ask); else await ask();
};
desk.useToken = (csrf) => {
  desk.csrf = csrf;
  document.querySelector('meta[name="csrf-token"]').content = csrf;
  for (const field of document.querySelectorAll("input[name=csrf_token]")) field.value = csrf;
};
// Whether the session is over; where another tab has begun a new one, its token is taken.
desk.lost = async () => {
  const look = await fetch("/desk/signed-in", { redirect: "manual" });
  if (look.type === "opaqueredirect" || look.status === 401) return true;
  const csrf = new DOMParser().parseFromString(await look.text(), "text/html").querySelector('meta[name="csrf-token"]');
  if (look.ok && csrf) desk.useToken(csrf.content);
  return false;
};
desk.problem = async (answer) => {
  try { return (await answer.json()).detail || "That did not work."; } catch { return "That did not work."; }
};
document.addEventListener("htmx:beforeSwap", (e) => {
  // A list never becomes a page: whoever is asked to sign in does so over it.
  const path = new URL(e.detail.xhr.responseURL || location.href).pathname;
  if (path.startsWith("/desk/sign-in") || e.detail.xhr.status === 401) {
    e.detail.shouldSwap = false;
    desk.askAgain(() => htmx.trigger(e.detail.elt, "refresh"));
  }
});
document.addEventListener("htmx:sendError", (e) => {
  desk.aside("No connection: what you see may be old.", "Try again", () => htmx.trigger(e.detail.elt, "refresh"));
});
document.addEventListener("htmx:responseError", (e) => {
  if (e.detail.xhr.status === 401) return;
  desk.aside(`The service answered ${e.detail.xhr.status}: what you see may be old.`, "Try again", () => htmx.trigger(e.detail.elt, "refresh"));
});
document.addEventListener("htmx:afterRequest", (e) => { if (e.detail.successful) desk.asideOver(); });

// Forms of ours are sent when the session and the connection are there, so that what stands in them is not lost.
document.addEventListener("submit", async (e) => {
  const form = e.target;
  if (form.method !== "post" || e.defaultPrevented || form.action.endsWith("/desk/sign-in")) return;
  if (form.dataset.sent === "now") { form.dataset.sent = "yes"; return; }
  e.preventDefault();
  // A double click is one.
  if (form.dataset.sent) return;
  form.dataset.sent = "asked";
  const button = e.submitter;
  try {
    if ((await desk.lost()) && !(await desk.signIn())) { delete form.dataset.sent; return; }
  } catch {
    delete form.dataset.sent;
    desk.toast("No connection: nothing was sent, your words are kept.", "Try again", () => form.requestSubmit(button), 60000);
    return;
  }
  form.dataset.sent = "now";
  desk.forgetDrafts(form);
  setTimeout(() => { delete form.dataset.sent; }, 3000);
  if (button) form.requestSubmit(button); else form.requestSubmit();
});

const refreshed = document.body.dataset.refresh;
if (refreshed) {
  const target = () => document.querySelector("[hx-trigger='refresh']");
  setInterval(() => { if (!document.hidden && target()) htmx.trigger(target(), "refresh"); }, refreshed * 1000);
}

// What is asked for each second comes only when it changed: the service is told what is shown.
document.addEventListener("htmx:configRequest", (e) => {
  const shown = e.detail.elt.hasAttribute("data-live") && e.detail.elt.querySelector("[data-seen]");
  if (shown) e.detail.headers["X-Seen"] = shown.dataset.seen;
});
// Nothing is asked for while nobody looks, and nothing is taken from under somebody's hands, whenever the answer comes.
// Also on the way from a field to its button, by mouse (it is pressed before it is clicked) or by keyboard: what is written
// there is not sent yet.
const isWritten = (form) => [...form.elements].some((f) => f.type !== "hidden" && "defaultValue" in f && f.value !== f.defaultValue);
const isInUse = (live) => live.hasAttribute("data-live") && (
  live.matches(":active") || live.querySelector("input:focus, select:focus, textarea:focus")
  || [...live.querySelectorAll("form:focus-within")].some(isWritten));
document.addEventListener("htmx:beforeRequest", (e) => {
  const live = e.detail.elt;
  if (live.hasAttribute("data-live") && (document.hidden || isInUse(live))) e.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (e) => {
  if (isInUse(e.detail.target)) e.detail.shouldSwap = false;
});
// A page that nobody looks at waits for nothing: browsers open a few connections to one service at a time.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return;
  for (const live of document.querySelectorAll("[data-live]")) htmx.trigger(live, "htmx:abort");
});
for (const list of document.querySelectorAll("select[data-fills]")) {
  list.addEventListener("change", () => {
    if (!list.value) return;
    const field = document.getElementById(list.dataset.fills), written = field.value.trim();
    // A prepared answer takes the place of another one, and of nothing that somebody wrote.
    const prepared = !written || [...list.options].some((o) => o.value.trim() === written);
    field.value = prepared ? list.value : `${field.value.trimEnd()}\n\n${list.value}`;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    list.value = "";
    field.focus();
  });
}

// Whoever is at something by the keyboard is still at it when it comes anew.
const stops = "a[href], button, summary, input:not([type=hidden]), select, textarea, [tabindex]";
const stopsIn = (target) => [...(document.getElementById(target.id) || target).querySelectorAll(stops)];
for (const before of ["htmx:beforeSwap", "htmx:oobBeforeSwap"]) document.addEventListener(before, (e) => {
  const at = document.activeElement, target = e.detail.target;
  if (!e.detail.shouldSwap || !target?.contains?.(at) || at === target) return;
  const all = stopsIn(target), same = all.filter((one) => one.textContent === at.textContent);
  target.at = { place: all.indexOf(at), text: at.textContent, nth: same.indexOf(at) };
});
for (const after of ["htmx:afterSettle", "htmx:oobAfterSwap"]) document.addEventListener(after, (e) => {
  const target = e.detail.target, was = target?.at;
  if (!was || (document.activeElement && document.activeElement !== document.body)) return;
  delete target.at;
  const all = stopsIn(target), same = all.filter((one) => one.textContent === was.text);
  (same[was.nth] || all[Math.min(was.place, all.length - 1)])?.focus({ preventScroll: true });
});

// What somebody has opened stays open when it comes anew.
for (const before of ["htmx:beforeSwap", "htmx:oobBeforeSwap"]) document.addEventListener(before, ({ detail: { target } }) => {
  if (target?.hasAttribute?.("data-keep")) target.opened = [...target.querySelectorAll("details[open][id]")].map((d) => d.id);
});
for (const after of ["htmx:afterSwap", "htmx:oobAfterSwap"]) document.addEventListener(after, ({ detail: { target } }) => {
  for (const id of target?.opened || []) document.getElementById(id)?.setAttribute("open", "");
});

// Of what messages ask, only the fields of the chosen one.
const reason = document.getElementById("reason");
if (reason) {
  const choose = () => {
    for (const f of document.querySelectorAll("fieldset[data-for]")) f.hidden = f.dataset.for !== reason.value;
  };
  choose();
  reason.addEventListener("change", choose);
}
document.addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, textarea, dialog")) return;
  e.preventDefault();
  document.getElementById("find")?.focus();
});
desk.look(document);
