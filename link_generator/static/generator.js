// The form's live result. Every link is made by the server; this only shows them.
import { offerApps, offerChoices } from "./pickers.js";
import { offerRehearsal } from "./rehearse.js";

const form = document.getElementById("generator");
const $ = (id) => document.getElementById(id);
const ASIDE = ["app", "as", "hub", "pin"]; // fields that alone ask for no link
const FOLDED = ["only", "dir", "urlpath", "repo2", "repo3"];
const REST = 400; // milliseconds that the fields must rest
const PATIENCE = 5000; // milliseconds, then the page says that the git server is slow
const choosable = Boolean(document.querySelector("[name=look]"));
let newest = 0;
let timer = null;
let stale = false; // the fields have changed since the link was made
let pasted = false;
const known = { env: $("env").value, repo: $("repo").value }; // as they were last read

// Beside the status there is one sentence for screen readers, said when all is known.
function say(text, state = "") {
  $("status").textContent = $("bar").dataset.status = text; // the bar of small screens shows it, too
  $("status").className = state;
  document.querySelector(".result").classList.toggle("broken", state === "bad");
}

function announce(text) {
  if ($("announce").textContent !== text) $("announce").textContent = text;
}

function showResult(shown) {
  $("result").hidden = $("bar").hidden = !shown;
  if ($("checklist")) $("checklist").hidden = !shown;
}

function list(place, notes) {
  place.replaceChildren(
    ...notes.map((text) => {
      const item = document.createElement("li");
      item.textContent = `! ${text}`;
      return item;
    })
  );
}

function showErrors(error) {
  for (const place of form.querySelectorAll("p.error")) place.textContent = "";
  for (const field of form.querySelectorAll(".field")) field.classList.remove("wrong");
  const place = error && $(`${error.field}-error`);
  if (place) {
    place.textContent = `${error.message} ${error.hint}`;
    place.closest(".field").classList.add("wrong");
    const folded = place.closest("details");
    if (folded) folded.open = true;
  }
}

// What was read from a pasted address goes into the fields, but for those changed since it was sent.
function showFields(fields, read, sent) {
  for (const [name, value] of Object.entries(fields)) {
    const field = form.elements.namedItem(name);
    if (!field || field.value !== (sent.get(name) || "")) continue;
    if (field.value !== value) field.value = value;
    if (name === "app" && value) form.querySelector(`.app [value="${value}"]`).closest("label").hidden = false;
  }
  if (FOLDED.some((name) => fields[name])) $("more").open = true;
  $("repo-read").textContent = read ? `✓ ${read}` : "";
}

function showDialect(name, made) {
  $(`in-${name}`).hidden = !made.url;
  $(`link-${name}`).value = made.url || "";
  if ($(`config-${name}`)) $(`config-${name}`).value = made.config || "";
  list($(`notes-${name}`), made.warnings || []);
  const asked = made.error && (made.error.field !== "host" || $("hub").value);
  $(`not-in-${name}`).textContent = asked ? `${made.error.message} ${made.error.hint}` : "";
}

function showLink(answer) {
  for (const id of ["url", "lms-url"]) $(id).value = answer.url;
  for (const id of ["open", "button-preview"]) $(id).href = answer.url;
  if ($("rehearse-link") && $("rehearse-link").value !== answer.url) {
    $("rehearse-link").value = $("shorten-link").value = answer.url;
    $("rehearsal").textContent = ""; // it was of another link
  }
  $("button-preview").textContent = answer.label;
  $("button").value = answer.button;
  $("lms").value = answer.lms;
  $("qr").src = $("qr-file").href = answer.qr;
  for (const [name, text] of Object.entries(answer.badges)) $(`badge-${name}`).value = text;
  for (const [name, made] of Object.entries(answer.links)) if ($(`in-${name}`)) showDialect(name, made);
}

function fieldsOfForm() {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) query.append(name, value);
  history.replaceState(null, "", query.size ? `/?${query}` : "/");
  return query;
}

async function update() {
  const query = fieldsOfForm();
  const mine = ++newest;
  stale = false;
  if (![...query.keys()].some((name) => !ASIDE.includes(name))) {
    showErrors(null);
    showResult(false);
    $("repo-read").textContent = "";
    list($("warnings"), []);
    say("Paste an address to see your link.");
    return;
  }
  const filling = pasted;
  pasted = false;
  let answer;
  try {
    const more = filling ? "&pasted=1" : "";
    answer = await (await fetch(`/api/link/everywhere?${query}${more}`)).json();
  } catch {
    pasted = filling;
    say("The server does not answer; your fields are kept.");
    return;
  }
  if (mine !== newest) {
    pasted = pasted || filling;
    return; // a newer question is under way
  }
  $("summary").hidden = true;
  showErrors(answer.error);
  if (answer.form && filling) {
    Object.assign(known, { env: answer.form.env, repo: answer.form.repo });
    showFields(answer.form, answer.read, query);
    fieldsOfForm();
  }
  list($("warnings"), answer.warnings || []);
  showResult(Boolean(answer.url));
  if (choosable) offerApps();
  if (answer.error) {
    say("✗ This link will not work yet", "bad");
    announce("The link is not complete: a field is marked.");
    return;
  }
  showLink(answer);
  remember();
  if (!$("checklist")) return finishReady(answer.warnings.length);
  showChecks([]);
  check(answer.url, mine, answer.warnings.length);
}

// The one thing that is announced for a change of the fields.
function finishReady(count) {
  const more = `, ${count} warning${count === 1 ? "" : "s"}`;
  if (count) finish(`! Ready to share${more}`, `Link ready${more}`, "careful");
  else finish("✓ Ready to share", "Link ready", "good");
}

function finish(text, said, state = "") {
  say(text, state);
  announce(said);
}

const MARKS = { ok: "✓ ok", warn: "! warn", fail: "✗ fail" };

function showChecks(checks) {
  $("checks").replaceChildren(
    ...checks.map((one) => {
      const item = document.createElement("li");
      item.className = one.state;
      const mark = document.createElement("span");
      mark.className = "mark";
      mark.textContent = MARKS[one.state];
      item.append(mark, ` ${one.sentence}`);
      if (one.hint && one.state !== "ok") {
        const hint = document.createElement("span");
        hint.className = "help";
        hint.textContent = ` ${one.hint}`;
        item.append(hint);
      }
      return item;
    })
  );
}

// The server looks at the repositories; an answer for a link that is no more is dropped.
async function check(url, mine, notes = 0) {
  say("Link made; it is being checked.");
  $("check-status").textContent = "Checking repository …";
  $("check-status").className = "skeleton";
  const slow = setTimeout(() => {
    if (mine === newest) $("check-status").textContent = "The git server is slow; still waiting …";
  }, PATIENCE);
  let answer;
  try {
    answer = await (await fetch(`/api/check?${new URLSearchParams({ url })}`)).json();
  } catch {
    answer = {};
  }
  clearTimeout(slow);
  if (mine !== newest) return;
  $("check-status").className = "";
  showChecks(answer.checks || []);
  if (!answer.checks) {
    $("check-status").textContent = "It could not be checked now; the link itself may be fine.";
    return finish("✓ Link made", "Link made, but not checked");
  }
  const bad = answer.checks.filter((one) => one.state !== "ok").length;
  const words = `${bad} of ${answer.checks.length} need${bad === 1 ? "s" : ""} a look`;
  $("check-status").textContent = bad ? words : "Everything is there.";
  if (!answer.usable) {
    const first = answer.checks.find((one) => one.state === "fail");
    return finish("✗ This link will not work yet", `This link will not work yet. ${first.sentence}`, "bad");
  }
  finishReady(bad + notes);
}

async function copy(button) {
  if (stale) {
    clearTimeout(timer);
    await update(); // nobody gets the link of a moment ago
    if ($("result").hidden) return;
  }
  const field = $(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    const focused = document.activeElement;
    field.select();
    document.execCommand("copy"); // pages without TLS have no clipboard
    focused.focus();
  }
  button.dataset.label = button.dataset.label || button.textContent;
  button.textContent = "Copied";
  announce(`Copied: ${field.labels[0].textContent}`);
  setTimeout(() => {
    button.textContent = button.dataset.label;
    announce("");
  }, 2000);
}

// The last environment that a link was made with is there when the page is opened empty.
function remember() {
  const kept = { env: $("env").value, version: $("version").value };
  try {
    if (kept.env) localStorage.setItem("environment", JSON.stringify(kept));
  } catch {
    // a browser that keeps nothing
  }
}

function recall() {
  if (location.search) return;
  try {
    const kept = JSON.parse(localStorage.getItem("environment") || "{}");
    for (const [name, value] of Object.entries(kept)) $(name).value = value;
    known.env = $("env").value;
  } catch {
    // nothing was kept, or something else
  }
}

document.addEventListener("input", (event) => {
  if (event.target.form !== form) return;
  if (event.target.name === "as") return void fieldsOfForm();
  if (event.target.name === "repo") $("repo-read").textContent = "";
  stale = true;
  if (!$("result").hidden) say("Making the link …");
  clearTimeout(timer);
  timer = setTimeout(update, REST);
});
for (const name of ["env", "repo"]) {
  $(name).addEventListener("paste", () => (pasted = true));
  $(name).addEventListener("change", () => {
    // Typed to its end: an address of a file, or a tag behind an environment, becomes its fields now.
    if (name === "env" && $("env").value !== known.env && !$("env").value.includes("@")) $("version").value = "";
    if ($(name).value === known[name]) return;
    pasted = true;
    clearTimeout(timer);
    update();
  });
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  update().then(() => {
    const wrong = document.querySelector(".field.wrong input");
    if (wrong) wrong.focus();
  });
});
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copy(button));
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || $("result").hidden) return;
  event.preventDefault();
  copy(document.querySelector('#as-link [data-copy="url"]'));
});
recall();
if (choosable) {
  offerChoices();
  offerApps();
}
offerRehearsal(() => check($("url").value, newest));
if (!$("result").hidden) {
  $("bar").dataset.status = $("status").textContent;
  if ($("checklist") && !$("checks").children.length) check($("url").value, newest);
}
