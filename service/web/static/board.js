// The board: only what changed travels, and neither focus nor what is chosen is lost by it.
"use strict";
{
const me = document.body.dataset.me;
const query = document.body.dataset.query;
const holder = document.getElementById("rows");
const live = document.getElementById("live");
const bulk = document.getElementById("bulk");
const say = (state, words) => { live.dataset.state = state; live.textContent = words; };
const rows = () => [...holder.querySelectorAll("[data-escalation]")];
const rowOf = (id) => document.getElementById(`e-${id}`);
const current = () => document.activeElement?.closest?.("[data-escalation]") || holder.querySelector(".chosen");
const mark = (row) => {
  for (const other of holder.querySelectorAll(".chosen")) other.classList.remove("chosen");
  if (row) { row.classList.add("chosen"); }
};
const picked = () => [...holder.querySelectorAll(".pick input:checked")].map((box) => box.value);
const count = () => {
  const n = picked().length;
  document.getElementById("chosen").textContent = n;
  bulk.hidden = n === 0;
};
count();
holder.addEventListener("change", count);

// Changed lines
const list = () => document.getElementById("list");
const total = (n) => { document.getElementById("total").textContent = n; };
// A line in the place of what it was before, with what is chosen, opened and at hand.
const renew = (old, fresh) => {
  const had = old.contains(document.activeElement);
  const selector = had ? document.activeElement.dataset.act : "";
  fresh.querySelector(".pick input").checked = old.querySelector(".pick input").checked;
  for (const kept of ["chosen", "member"]) fresh.classList.toggle(kept, old.classList.contains(kept));
  if (old.dataset.inside) fresh.dataset.inside = old.dataset.inside;
  fresh.querySelector("[data-open]")?.setAttribute("aria-expanded", old.querySelector("[data-open]")?.getAttribute("aria-expanded") || "false");
  old.replaceWith(fresh);
  if (had) (selector && fresh.querySelector(`[data-act=${selector}]`) || fresh).focus({ preventScroll: true });
};
const place = (fresh) => {
  const old = rowOf(fresh.dataset.escalation);
  if (old) { renew(old, fresh); return; }
  // What stands on a later page comes with that page.
  if (paged() && rows().length && rows().at(-1).dataset.key < fresh.dataset.key) return;
  const after = rows().find((r) => !r.classList.contains("member") && r.dataset.key > fresh.dataset.key);
  list().insertBefore(fresh, after || null);
  fresh.classList.add("fresh");
};
const inside = (id) => holder.querySelectorAll(`[data-inside="${id}"]`);
const leave = (row) => {
  for (const member of inside(row.dataset.escalation)) member.remove();
  const next = row.nextElementSibling || row.previousElementSibling;
  const had = row.contains(document.activeElement) || row.classList.contains("chosen");
  row.remove();
  if (had && next) { mark(next); next.focus({ preventScroll: true }); }
};
const emptied = () => {
  document.getElementById("none")?.remove();
  if (!rows().length) {
    const p = document.createElement("p");
    p.id = "none"; p.className = "empty"; p.textContent = list().dataset.empty;
    list().before(p);
  }
};
let waiting = new Set();
// What was acted on, until it is shown as it is now: a key pressed twice asks once.
const underWay = new Set();
let timer = 0;
const MOST = 50;
const TRY_AGAIN = 2000;
// A page of the board, in slices between which the browser draws and answers. Returns the last of its lines, null
// where it could not be read. `at`: the line that it comes after.
const SLICE = 20;
// Each button that submits has the browser look for the form's default one among thousands; acts go by script here.
const prepare = (row) => {
  for (const button of row.querySelectorAll(".acts button")) button.type = "button";
  desk.look(row);
};
const drawn = () => new Promise((done) => setTimeout(done));
const readPage = async (path, seen, at, isNews) => {
  const answer = await desk.read(path);
  if (!answer?.ok) return null;
  const box = document.createElement("template");
  box.innerHTML = await answer.text();
  const fresh = [...box.content.querySelectorAll("[data-escalation]")];
  for (let from = 0; from < fresh.length; from += SLICE) {
    if (from) await drawn();
    for (const row of fresh.slice(from, from + SLICE)) {
      const old = rowOf(row.dataset.escalation);
      seen.add(row.dataset.escalation);
      prepare(row);
      if (old) renew(old, row);
      else {
        while (at?.nextElementSibling?.classList.contains("member")) at = at.nextElementSibling;
        if (at?.isConnected) at.after(row); else if (at) place(row); else list().prepend(row);
        row.classList.toggle("fresh", isNews);
      }
      at = row;
    }
  }
  document.getElementById("more")?.remove();
  const more = box.content.querySelector("#more");
  if (more) { list().after(more); watch(); }
  total(box.content.querySelector("ul").dataset.total);
  emptied();
  count();
  return at || list();
};
const nextOf = () => document.querySelector("#more a")?.search.slice(1);
// Everything that is shown, anew: after a time without news, or with too many.
let reading = null;
const all = () => reading ??= (async () => {
  const seen = new Set(), most = rows().length;
  let at = null, path = query;
  do {
    at = await readPage(`/desk/board?${path}`, seen, at, true);
    if (!at) { setTimeout(all, TRY_AGAIN); return; }
    path = nextOf();
  } while (path && seen.size < most);
  for (const row of rows()) if (!seen.has(row.dataset.escalation) && !row.dataset.inside) leave(row);
  emptied();
  count();
})().finally(() => { reading = null; underWay.clear(); });
// Further lines come by themselves as one scrolls to where these end.
const watched = new IntersectionObserver(async (seen) => {
  if (!seen.some((one) => one.isIntersecting) || reading) return;
  const path = nextOf();
  watched.disconnect();
  reading = readPage(`/desk/board?${path}`, new Set(), rows().findLast((r) => !r.dataset.inside), false);
  if (!(await reading.finally(() => { reading = null; }))) setTimeout(watch, TRY_AGAIN);
}, { rootMargin: "600px" });
let scrolled = false;
const watch = () => { const more = document.getElementById("more"); if (more && scrolled) watched.observe(more); };
document.addEventListener("scroll", () => { scrolled = true; watch(); }, { once: true });
// Those of an open incident are asked for as its own.
const fetchPart = async (ids, more) => {
  const answer = await desk.read(`/desk/board?${more}&ids=${ids.join(",")}`);
  if (!answer?.ok) { for (const id of ids) waiting.add(id); timer ||= setTimeout(fetchChanged, TRY_AGAIN); return; }
  const box = document.createElement("template");
  box.innerHTML = await answer.text();
  const changed = box.content.querySelector("ul");
  const found = new Map([...changed.querySelectorAll("[data-escalation]")].map((r) => [r.dataset.escalation, r]));
  for (const id of ids) {
    const row = found.get(id);
    if (row) { prepare(row); place(row); } else if (rowOf(id)) leave(rowOf(id));
  }
  for (const id of ids) underWay.delete(id);
  if (more === query) total(changed.dataset.total);
};
const fetchChanged = async () => {
  const ids = [...waiting];
  waiting = new Set();
  timer = 0;
  if (ids.length > MOST) { all(); return; }
  const parts = new Map();
  for (const id of ids) {
    const within = rowOf(id)?.dataset.inside, more = within ? `incident=${within}` : query;
    parts.set(more, [...(parts.get(more) || []), id]);
  }
  for (const [more, some] of parts) await fetchPart(some, more);
  emptied();
  count();
};
const paged = () => Boolean(document.getElementById("more"));
const changed = (id) => {
  waiting.add(id);
  timer ||= setTimeout(fetchChanged, 120);
};

// The stream
const beep = () => {
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const gain = audio.createGain();
  tone.frequency.value = 880;
  gain.gain.setValueAtTime(0.15, audio.currentTime);
  gain.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.5);
  tone.connect(gain).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.5);
};
for (const id of ["sound", "popup"]) {
  const box = document.getElementById(id);
  box.checked = localStorage.getItem(id) === "on";
  box.addEventListener("change", async () => {
    if (id === "popup" && box.checked && (await Notification.requestPermission()) !== "granted") box.checked = false;
    localStorage.setItem(id, box.checked ? "on" : "off");
  });
}
const alarm = (data) => {
  if (data.severity !== "critical") return;
  if (localStorage.getItem("sound") === "on") beep();
  if (localStorage.getItem("popup") === "on" && Notification.permission === "granted") {
    new Notification(rowOf(data.escalation_id)?.querySelector("strong")?.textContent || data.reason.replaceAll("_", " "), { body: `Order ${data.order_id}`, tag: data.escalation_id });
  }
};
// From where the page was read, so that nothing is missed between the two; who is told no place asks for all once, as
// whoever was away does. The browser reconnects by itself and sends Last-Event-ID.
let reached = document.body.dataset.place;
let broken = !reached;
const listen = () => {
  const end = () => { source.close(); listen(); };
  addEventListener("online", end, { once: true });
  const source = new EventSource(`/v1/escalations/stream?brief=true&last_event_id=${encodeURIComponent(reached)}`);
  source.addEventListener("ready", () => { say("live", "live"); if (broken) all(); broken = false; });
  source.addEventListener("missed", all);
  source.onerror = async () => {
    say("lost", "connection lost, trying again");
    broken = true;
    if (source.readyState !== EventSource.CLOSED) return;
    removeEventListener("online", end);
    if (await desk.lost().catch(() => false) && await desk.signIn()) desk.isTheirs();
    setTimeout(listen, 2000);
  };
  for (const kind of ["opened", "acknowledged", "reminded", "resolved", "assigned", "commented", "snoozed", "joined", "reopened", "escalated"]) {
    source.addEventListener(`escalation.${kind}`, (e) => {
      const data = JSON.parse(e.data).data;
      reached = e.lastEventId;
      // An incident takes in lines that were told of alone.
      if (data.incident && kind === "opened") setTimeout(all, 300); else changed(data.escalation_id);
      if (kind === "opened") setTimeout(() => alarm(data), 400);
    });
  }
};
listen();
// What the machine knows at once, the stream finds out late.
addEventListener("offline", () => { say("lost", "no connection"); broken = true; });
// Without a swap where nothing changed.
setInterval(() => {
  if (document.hidden) return;
  const seen = document.querySelector("#soon [data-seen]")?.dataset.seen || "";
  htmx.ajax("GET", `/desk/board/soon?${query}`, { target: "#soon", swap: "innerHTML", headers: { "X-Seen": seen } });
}, 30000);

// Acts
const ask = async (id) => {
  const box = document.getElementById(id);
  box.returnValue = "";
  box.showModal();
  await new Promise((done) => { box.onclose = done; });
  return box.returnValue;
};
const tomorrow = () => { const d = new Date(); d.setDate(d.getDate() + 1); d.setHours(9, 0, 0, 0); return d; };
// What somebody else has is asked for, whoever is to have it.
const mayTake = async (ids, to) => {
  const owners = ids.map(rowOf).filter((r) => r?.dataset.owner && ![me, to].includes(r.dataset.owner));
  if (!owners.length) return true;
  const who = [...new Set(owners.map((r) => r.dataset.owner))].join(", ");
  const since = owners[0].dataset.owned ? `, since ${desk.span(Date.now() + desk.skew - Date.parse(owners[0].dataset.owned))}` : "";
  document.getElementById("take-text").textContent = `${who} has ${owners.length > 1 ? `${owners.length} of them` : `it${since}`}.`;
  return (await ask("take")) === "yes";
};
const details = async (name, ids) => {
  if (name === "snooze") {
    const said = await ask("later");
    if (!said) return null;
    if (said === "morning") return { until: tomorrow().toISOString() };
    const at = document.getElementById("later-at").value;
    if (said === "at" && new Date(at) <= Date.now() + desk.skew) { desk.toast("That moment is over: choose a later one."); return null; }
    if (said === "at") return at ? { until: new Date(at).toISOString() } : null;
    return { minutes: Number(said) };
  }
  if (name === "comment") {
    const text = document.getElementById("remark-text"), row = rowOf(ids[0]);
    const of = ids.length > 1 ? `${ids.length} chosen` : `${row.querySelector("strong").textContent}, ${row.querySelector(".where").textContent}`;
    document.getElementById("remark-of").textContent = of;
    desk.draftFor(text, `remark ${ids.join(" ")}`);
    if ((await ask("remark")) !== "save" || !text.value.trim()) return null;
    return { comment: text.value.trim() };
  }
  if (name === "assign") return (await mayTake(ids, me)) ? { take_over: true } : null;
  return {};
};
let last = null;
const AT_ONCE = 200;
// Answers which were done.
const act = async (name, all, more) => {
  const ids = more ? all : all.filter((id) => !underWay.has(id));
  if (!ids.length) return [];
  const real = { take: "assign", back: "assign" }[name] || name;
  // What somebody else has is asked for, not taken unawares.
  const held = ids.some((id) => rowOf(id)?.dataset.owner && rowOf(id).dataset.owner !== me);
  const chosen = real === "acknowledge" && held ? "assign" : real;
  const said = more || (name === "back" ? { to: "" } : await details(chosen, ids));
  if (!said) return [];
  // Shown at once; what is refused comes back.
  const fade = (opacity) => { for (const id of ids) if (rowOf(id)) rowOf(id).style.opacity = opacity; };
  const back = () => { fade(""); for (const id of ids) underWay.delete(id); };
  for (const id of ids) underWay.add(id);
  fade(chosen === "resolve" ? ".4" : ".7");
  const were = ids.map((id) => rowOf(id)?.dataset.owner || "");
  const answers = [];
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const some = ids.slice(from, from + AT_ONCE);
    const answer = await desk.call("POST", "/v1/escalations/bulk", { ids: some, act: chosen, ...said, undoes: undefined }, { refused: back });
    if (!answer) { back(); return []; }
    answers.push(answer);
    if (!answer.ok) break;
  }
  const answer = answers.at(-1);
  for (const box of holder.querySelectorAll(".pick input:checked")) box.checked = false;
  count();
  if (!answer.ok) {
    const why = await desk.problem(answer);
    back();
    desk.toast(why, "Try again", () => act(name, ids, said), 20000);
    return [];
  }
  const results = (await Promise.all(answers.map((one) => one.json()))).flatMap((one) => one.results);
  const refused = results.filter((r) => r.problem);
  // The words went along with it, and belong to nothing that is chosen next; what was refused leaves them where they are.
  if (said.comment && !refused.length) for (const id of ["many-comment", "remark-text"]) { const field = document.getElementById(id); field.value = ""; desk.forget(field); }
  const done = results.filter((r) => !r.problem).map((r) => r.id);
  for (const r of refused) if (rowOf(r.id)) rowOf(r.id).style.opacity = "";
  const words = { resolve: "resolved", acknowledge: "taken", snooze: "snoozed", assign: said.to === "" ? "put back" : said.to ? `given to ${said.to}` : "taken over" }[chosen];
  if (done.length && words && !said.undoes) {
    last = { ids: done, act: chosen, to: said.to ?? me, owners: new Map(ids.map((id, n) => [id, were[n]]).filter(([id]) => done.includes(id))) };
    desk.toast(`${done.length} ${words}${refused.length ? `, ${refused.length} not: ${refused[0].problem}` : ""}.`, "Undo", undo, 10000);
    setTimeout(() => { if (last?.ids === done) last = null; }, 10000);
  } else if (refused.length && chosen === "comment") desk.toast(`${refused[0].problem}: your words are kept.`, "Show", () => act(name, refused.map((r) => r.id)), 20000);
  else if (refused.length) desk.toast(refused[0].problem);
  for (const id of ids) changed(id);
  return done;
};
// As it was: whose it was before, it is again, unless somebody else has it by now.
const undo = async () => {
  if (!last) return;
  const { ids, act: done, owners, to } = last;
  last = null;
  document.getElementById("toast").replaceChildren();
  for (const owner of new Set(owners.values())) {
    let theirs = ids.filter((id) => owners.get(id) === owner);
    if (done !== "assign") theirs = await act("reopen", theirs, { take_over_from: done === "snooze" ? owner : "", undoes: true });
    if (done === "assign" || owner) await act("assign", theirs, { to: owner, take_over_from: done === "assign" ? to : "", undoes: true });
  }
  if (!document.getElementById("toast").hasChildNodes()) desk.toast("Taken back.");
};
holder.addEventListener("click", (e) => {
  const button = e.target.closest("[data-act]");
  if (button) {
    e.preventDefault();
    act(button.dataset.act, [button.closest("[data-escalation]").dataset.escalation]);
    return;
  }
  const link = e.target.closest("[data-open]");
  if (link && !e.ctrlKey && !e.metaKey) { e.preventDefault(); open(link); }
});
const until = () => {
  const said = document.getElementById("many-for").value;
  return said === "morning" ? { until: tomorrow().toISOString() } : { minutes: Number(said) };
};
bulk.addEventListener("click", async (e) => {
  const button = e.target.closest("[data-many]");
  if (!button) return;
  e.preventDefault();
  const name = button.dataset.many;
  const to = document.getElementById("many-to").value.trim();
  const comment = document.getElementById("many-comment").value.trim();
  if (name === "assign" && !to) { document.getElementById("many-to").focus(); return; }
  if (name === "comment" && !comment) { document.getElementById("many-comment").focus(); return; }
  const ids = picked();
  if (name === "assign" && !(await mayTake(ids, to))) return;
  act(name, ids, { snooze: until(), assign: { to, take_over: true, comment }, comment: { comment } }[name]);
});

// Enter does what stands beside the field.
bulk.addEventListener("keydown", (e) => {
  if (e.key !== "Enter" || !e.target.matches("input")) return;
  e.preventDefault();
  e.target.closest(".pair").querySelector("[data-many]").click();
});

// An incident opens to its orders.
const open = async (link) => {
  const row = link.closest("[data-escalation]");
  const id = link.dataset.open;
  const shown = inside(id);
  for (const r of shown) r.remove();
  link.setAttribute("aria-expanded", "false");
  if (shown.length) return;
  const answer = await desk.call("GET", `/desk/board?incident=${id}`);
  if (!answer?.ok) { if (answer) desk.toast(await desk.problem(answer), "Try again", () => open(link)); return; }
  link.setAttribute("aria-expanded", "true");
  const box = document.createElement("template");
  box.innerHTML = await answer.text();
  const members = [...box.content.querySelectorAll("[data-escalation]")];
  for (const r of members) { r.classList.add("member"); r.dataset.inside = id; desk.look(r); }
  row.after(...members);
};

// Keys
let times = "";
let anchor = null;
const pick = (row, on) => { row.querySelector(".pick input").checked = on; };
holder.addEventListener("click", (e) => {
  const box = e.target.closest(".pick input");
  if (!box) return;
  const row = box.closest("[data-escalation]");
  if (e.shiftKey && anchor?.isConnected) {
    const every = rows();
    const [from, to] = [every.indexOf(anchor), every.indexOf(row)].sort((a, b) => a - b);
    for (const r of every.slice(from, to + 1)) pick(r, box.checked);
  }
  anchor = row;
  count();
});
const help = document.getElementById("help");
document.getElementById("keys").addEventListener("click", () => help.showModal());
const go = (row) => { if (row) { mark(row); row.focus(); row.scrollIntoView({ block: "nearest" }); } };
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input:not([type=checkbox]), select, textarea, dialog")) return;
  const every = rows();
  const row = current();
  const at = every.indexOf(row);
  if (/^[0-9]$/.test(e.key)) { times = (times + e.key).slice(-3); return; }
  const n = Math.max(1, Number(times) || 1);
  times = "";
  const acts = { a: "acknowledge", s: "snooze", r: "resolve", c: "comment", t: "take" };
  const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
  if (key === "j" || key === "k") {
    if (e.shiftKey && row) pick(row, true);
    const next = every[Math.max(0, Math.min(every.length - 1, at < 0 ? 0 : at + (key === "j" ? n : -n)))];
    go(next);
    if (e.shiftKey && next) pick(next, true);
    count();
  } else if (key === "x") {
    const from = Math.max(at, 0);
    const some = every.slice(from, from + n);
    const on = n > 1 || !some[0]?.querySelector(".pick input").checked;
    for (const r of some) pick(r, on);
    go(some.at(-1));
    anchor = some.at(-1);
    count();
  } else if (acts[key] && (picked().length || row)) {
    e.preventDefault();
    // A key that is held down acts once, not on what moves up, too.
    if (!e.repeat) act(acts[key], picked().length ? picked() : [row.dataset.escalation]);
  } else if (key === "u") undo();
  else if (key === "o" && row?.querySelector("[data-open]")) open(row.querySelector("[data-open]"));
  else if (key === "m") document.getElementById("mine").getAttribute("aria-current") ? document.querySelector(".views a").click() : document.getElementById("mine").click();
  else if (e.key === "Escape") { for (const r of every) pick(r, false); count(); }
  else if (e.key === "Enter" && row && document.activeElement === row) row.querySelector("a.order, a")?.click();
  else if (e.key === "?") help.showModal();
});
document.addEventListener("submit", (e) => { if (e.target.id === "acts") e.preventDefault(); }, true);
}
