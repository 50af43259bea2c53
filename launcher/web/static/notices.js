// Tells a student, in the pages of the session's own apps, what the launcher has to say about it.
"use strict";
(() => {
  const session = (location.pathname.match(/^\/s\/([0-9a-f]+)\//) || [])[1];
  if (!session || window.top !== window) return;
  // Where the launcher's pages are, if sessions have a host name of their own.
  const home = document.currentScript.dataset.home || "";
  const asked = home ? `/s/${session}/_launcher/notices` : `/api/sessions/${session}/notices`;
  const SHOWN = 8000, HIDDEN = 60000; // ms between questions
  const closed = new Set();
  let failures = 0, timer = 0, ended = false;

  const place = document.createElement("div");
  place.id = "launcher-notices";
  const root = place.attachShadow({ mode: "open" });
  const style = new CSSStyleSheet();
  style.replaceSync(`
    :host { all: initial; position: fixed; inset: auto 0 0 0; z-index: 2147483647; pointer-events: none;
      display: grid; justify-items: center; gap: 8px; padding: 8px; font: 15px/22px system-ui, sans-serif; }
    div { pointer-events: auto; box-sizing: border-box; width: min(100%, 680px); padding: 12px 16px; border-radius: 8px;
      background: #fff8e6; color: #1b1f24; border: 1px solid #8a5a00; border-inline-start-width: 6px;
      box-shadow: 0 4px 16px rgb(0 0 0 / .3); }
    p { margin: 0 0 8px; overflow-wrap: anywhere; }
    button, a { display: inline-block; min-height: 40px; box-sizing: border-box; padding: 8px 16px; margin-inline-end: 8px;
      border: 1px solid #0b5cad; border-radius: 8px; background: #fff; color: #0b5cad; font: inherit; font-weight: 600;
      text-decoration: none; cursor: pointer; }
    :focus-visible { outline: 3px solid #0b5cad; outline-offset: 2px; }
    @media (prefers-color-scheme: dark) {
      div { background: #2b2413; color: #e8ecf1; border-color: #f0bd5c; }
      button, a { background: #14181d; color: #7db7ff; border-color: #7db7ff; }
    }`);
  root.adoptedStyleSheets = [style];
  place.setAttribute("role", "status");

  const button = (label, action) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.addEventListener("click", action);
    return made;
  };

  const keep = async () => {
    // Any request to the session counts as use; this one is small and changes nothing.
    await fetch(`/s/${session}/api/status`, { credentials: "same-origin" }).catch(() => null);
    closed.clear();
    await look();
  };

  const card = (notice) => {
    const box = document.createElement("div");
    box.dataset.kind = notice.kind;
    const text = document.createElement("p");
    text.textContent = notice.text;
    box.append(text);
    if (notice.keep) box.append(button("Keep it running", keep));
    if (notice.href) {
      const link = document.createElement("a");
      link.href = home + notice.href;
      link.textContent = notice.label;
      if (notice.kind !== "ended") link.target = "_blank";
      box.append(link);
    }
    box.append(button("Close", () => { closed.add(notice.id); box.remove(); }));
    return box;
  };

  const show = (notices) => {
    const wanted = notices.filter((one) => !closed.has(one.id));
    const key = JSON.stringify(wanted);
    if (place.dataset.key === key) return; // the same words are not read out again
    place.dataset.key = key;
    root.replaceChildren(...wanted.map(card));
    if (!place.isConnected && document.body) document.body.append(place);
  };

  const look = async () => {
    try {
      const answer = await fetch(asked, {
        credentials: "same-origin", headers: { Accept: "application/json" }, cache: "no-store",
      });
      if (answer.status === 404) { ended = true; show([]); return; } // not this student's
      if (!answer.ok) throw new Error(String(answer.status));
      const said = await answer.json();
      failures = 0;
      if (said.running) { show(said.notices); return; }
      ended = true;
      show([{
        id: "ended", kind: "ended", href: `/s/${session}/lab`, label: "See how to bring it back",
        text: `This session has stopped${said.why ? `: ${said.why}` : ""}. `
          + "Every file that you saved is safe; what is only on this page is not saved.",
      }]);
    } catch {
      failures += 1;
      if (failures < 2) return; // a single one is a hiccup, or a page that is being left
      show([{
        id: "lost", kind: "lost",
        text: "The connection to the server is lost. What you change now is only on this page: "
          + "leave it open, it goes on by itself when the connection is back.",
      }]);
    }
  };

  const again = async () => {
    clearTimeout(timer);
    await look();
    if (!ended) timer = setTimeout(again, failures ? 3000 : document.hidden ? HIDDEN : SHOWN);
  };
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !ended) again(); });
  window.addEventListener("offline", () => { failures = 1; if (!ended) again(); });
  window.addEventListener("online", () => { if (!ended) again(); });
  again();
})();
