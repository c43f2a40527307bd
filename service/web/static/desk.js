// The desk's own script: live stream, countdowns, keys. Everything works by links and forms without it, but live.
"use strict";

const csrf = document.querySelector('meta[name="csrf-token"]').content;
document.addEventListener("htmx:configRequest", (e) => { e.detail.headers["X-CSRF-Token"] = csrf; });

const toast = (text) => {
  const box = document.getElementById("toast");
  box.textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { box.textContent = ""; }, 5000);
};

// Countdowns go by the service's clock: its difference to this machine's is taken once.
const stated = document.body.dataset.now;
const skew = stated ? Date.parse(stated) - Date.now() : 0;
const span = (ms) => {
  const s = Math.floor(Math.abs(ms) / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")}`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")}`;
  return `${Math.floor(s / 86400)} days`;
};
const tick = () => {
  const now = Date.now() + skew;
  for (const t of document.querySelectorAll("time[data-due]")) {
    const left = Date.parse(t.dateTime) - now;
    t.textContent = left >= 0 ? `in ${span(left)}` : `${span(left)} late`;
    t.toggleAttribute("data-late", left < 0);
  }
  for (const t of document.querySelectorAll("time[data-ago]")) {
    t.textContent = `${span(now - Date.parse(t.dateTime))} ago`;
  }
};
tick();
setInterval(tick, 1000);
document.addEventListener("htmx:afterSwap", tick);

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
document.addEventListener("htmx:beforeRequest", (e) => {
  const live = e.detail.elt;
  // Nothing is asked for while nobody looks, and nothing is taken from under somebody's hands.
  if (live.hasAttribute("data-live") && (document.hidden || live.querySelector("input:focus"))) e.preventDefault();
});
for (const list of document.querySelectorAll("select[data-fills]")) {
  list.addEventListener("change", () => {
    if (list.value) document.getElementById(list.dataset.fills).value = list.value;
  });
}

// Of what messages ask, only the fields of the chosen one.
const reason = document.getElementById("reason");
if (reason) {
  const choose = () => {
    for (const f of document.querySelectorAll("fieldset[data-for]")) f.hidden = f.dataset.for !== reason.value;
  };
  choose();
  reason.addEventListener("change", choose);
}

const board = document.body.hasAttribute("data-board");
if (board) {
  const rows = document.getElementById("rows");
  const live = document.getElementById("live");
  const say = (state, words) => { live.dataset.state = state; live.textContent = words; };
  let waiting = 0;
  let chosen = "";
  const refresh = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => htmx.trigger(rows, "refresh"), 60);
  };
  const cards = () => [...rows.querySelectorAll("[data-escalation]")];
  const mark = () => {
    for (const c of cards()) c.classList.toggle("chosen", c.dataset.escalation === chosen);
  };
  let known = new Set(cards().map((c) => c.dataset.escalation));
  document.addEventListener("htmx:afterSwap", () => {
    for (const c of cards()) c.classList.toggle("fresh", !known.has(c.dataset.escalation));
    known = new Set(cards().map((c) => c.dataset.escalation));
    mark();
  });

  for (const id of ["sound", "popup"]) {
    const box = document.getElementById(id);
    box.checked = localStorage.getItem(id) === "on";
    box.addEventListener("change", async () => {
      if (id === "popup" && box.checked && (await Notification.requestPermission()) !== "granted") box.checked = false;
      localStorage.setItem(id, box.checked ? "on" : "off");
    });
  }
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
  const alarm = (data) => {
    if (data.severity !== "critical") return;
    if (localStorage.getItem("sound") === "on") beep();
    if (localStorage.getItem("popup") === "on" && Notification.permission === "granted") {
      new Notification(data.reason.replaceAll("_", " "), { body: `Order ${data.order_id}`, tag: data.escalation_id });
    }
  };

  // The browser reconnects by itself and sends Last-Event-ID; after each connection the rows are asked for anew.
  const listen = () => {
    const source = new EventSource("/v1/escalations/stream");
    source.addEventListener("ready", () => { say("live", "live"); refresh(); });
    source.addEventListener("missed", refresh);
    source.onerror = () => {
      say("lost", "connection lost, trying again");
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
    };
    for (const kind of ["opened", "acknowledged", "reminded", "resolved"]) {
      source.addEventListener(`escalation.${kind}`, (e) => {
        refresh();
        if (kind === "opened") alarm(JSON.parse(e.data).data);
      });
    }
  };
  listen();

  const remark = document.getElementById("remark");
  const act = async (name, id) => {
    const body = {};
    if (name === "snooze") body.minutes = 30;
    if (name === "comment") {
      const text = document.getElementById("remark-text");
      text.value = "";
      remark.showModal();
      await new Promise((done) => { remark.onclose = done; });
      if (remark.returnValue !== "save" || !text.value.trim()) return;
      body.comment = text.value.trim();
    }
    const answer = await fetch(`/v1/escalations/${id}/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
      body: JSON.stringify(body),
    });
    if (!answer.ok) toast((await answer.json()).detail || "That did not work.");
    refresh();
  };
  rows.addEventListener("click", (e) => {
    const button = e.target.closest("[data-act]");
    if (button) act(button.dataset.act, button.dataset.id);
  });

  const help = document.getElementById("help");
  document.getElementById("keys").addEventListener("click", () => help.showModal());
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, textarea, dialog")) return;
    const list = cards();
    const at = list.findIndex((c) => c.dataset.escalation === chosen);
    const acts = { a: "acknowledge", s: "snooze", r: "resolve", c: "comment" };
    if (e.key === "j" || e.key === "k") {
      const next = list[Math.max(0, Math.min(list.length - 1, at < 0 ? 0 : at + (e.key === "j" ? 1 : -1)))];
      if (next) { chosen = next.dataset.escalation; mark(); next.focus(); next.scrollIntoView({ block: "nearest" }); }
    } else if (acts[e.key] && chosen && at >= 0) {
      e.preventDefault();
      act(acts[e.key], chosen);
    } else if (e.key === "Enter" && at >= 0 && document.activeElement === list[at]) {
      list[at].querySelector("a.order").click();
    } else if (e.key === "/") {
      e.preventDefault();
      document.getElementById("find").focus();
    } else if (e.key === "?") {
      help.showModal();
    }
  });
}
