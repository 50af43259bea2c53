// The form's live result. Every link is made by the server; this only shows them.
"use strict";
const form = document.getElementById("generator");
const $ = (id) => document.getElementById(id);
const ASIDE = ["app", "as", "hub"]; // fields that alone ask for no link
let newest = 0;
let timer = null;
let stale = false; // the fields have changed since the link was made
let pasted = false;
let known = $("repo").value; // what the repository's field held when it was last read

function say(text) {
  if ($("status").textContent !== text) $("status").textContent = text;
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
  const folded = form.querySelector("details");
  if (folded && ["only", "dir", "urlpath", "repo2", "repo3"].some((name) => fields[name])) folded.open = true;
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

function fieldsOfForm() {
  const query = new URLSearchParams(new FormData(form));
  history.replaceState(null, "", `/?${query}`);
  return query;
}

async function update() {
  const query = fieldsOfForm();
  const mine = ++newest;
  stale = false;
  if (![...query].some(([name, value]) => !ASIDE.includes(name) && value)) {
    showErrors(null);
    $("result").hidden = true;
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
  if (answer.fields && filling) {
    known = answer.fields.repo;
    showFields(answer.fields, answer.read, query);
    fieldsOfForm();
  }
  list($("warnings"), answer.warnings || []);
  $("result").hidden = !answer.url;
  if ($("checklist")) $("checklist").hidden = !answer.url;
  if (answer.error) {
    say("✗ This link will not work yet");
    return;
  }
  $("url").value = answer.url;
  $("open").href = answer.url;
  $("qr").src = $("qr-file").href = answer.qr;
  for (const [name, text] of Object.entries(answer.badges)) $(`badge-${name}`).value = text;
  for (const [name, made] of Object.entries(answer.links)) if ($(`in-${name}`)) showDialect(name, made);
  if ($("checklist")) {
    $("checklist").hidden = false;
    $("check-status").textContent = "";
    showChecks([]);
    check(fieldsOfForm(), mine);
  }
  const count = answer.warnings.length;
  say(count ? `✓ Link ready, ${count} note${count > 1 ? "s" : ""}` : "✓ Ready to share");
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

// Asked once the link has rested for a moment: the server looks at the repositories.
async function check(query, mine) {
  await new Promise((done) => setTimeout(done, 600));
  if (mine !== newest) return;
  $("check-status").textContent = "Checking the environment and the content …";
  let answer;
  try {
    answer = await (await fetch(`/api/check?${query}`)).json();
  } catch {
    answer = {};
  }
  if (mine !== newest) return;
  showChecks(answer.checks || []);
  if (!answer.checks) {
    $("check-status").textContent = "It could not be checked now; the link itself may be fine.";
    return;
  }
  const bad = answer.checks.filter((one) => one.state !== "ok").length;
  const words = `${bad} of ${answer.checks.length} need${bad === 1 ? "s" : ""} a look`;
  $("check-status").textContent = bad ? words : "Everything is there.";
  if (!answer.usable) say("✗ This link will not work yet");
}

async function copy(button) {
  if (stale) {
    clearTimeout(timer);
    await update(); // nobody gets the link of a moment ago
    if ($("result").hidden) return;
  }
  const field = $(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy"); // pages without TLS have no clipboard
  }
  button.dataset.label = button.dataset.label || button.textContent;
  button.textContent = "Copied";
  say("✓ Copied");
  setTimeout(() => (button.textContent = button.dataset.label), 2000);
}

document.addEventListener("input", (event) => {
  if (event.target.form !== form) return;
  if (event.target.name === "as") return void fieldsOfForm();
  if (event.target.name === "repo") $("repo-read").textContent = "";
  stale = true;
  if (!$("result").hidden) say("Making the link …");
  clearTimeout(timer);
  timer = setTimeout(update, 400);
});
$("repo").addEventListener("paste", () => (pasted = true));
$("repo").addEventListener("change", () => {
  // Typed to its end: an address of a file becomes its fields now.
  if ($("repo").value === known) return;
  pasted = true;
  clearTimeout(timer);
  update();
});
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
  copy(document.querySelector('[data-copy="url"]'));
});
if ($("checklist") && !$("result").hidden && !$("checks").children.length) {
  check(fieldsOfForm(), newest); // the page was opened with a link in its address
}
