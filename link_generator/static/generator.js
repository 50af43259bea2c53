// The form's live result. The link itself is made by the server; this only shows it.
"use strict";
const form = document.getElementById("generator");
const $ = (id) => document.getElementById(id);
let newest = 0;
let timer = null;

function say(text) {
  if ($("status").textContent !== text) $("status").textContent = text;
}

function showErrors(error) {
  for (const place of document.querySelectorAll("p.error")) place.textContent = "";
  for (const field of document.querySelectorAll(".field")) field.classList.remove("wrong");
  const place = error && $(`${error.field}-error`);
  if (place) {
    place.textContent = `${error.message} ${error.hint}`;
    place.closest(".field").classList.add("wrong");
    const folded = place.closest("details");
    if (folded) folded.open = true;
  }
}

async function update() {
  const query = new URLSearchParams(new FormData(form));
  history.replaceState(null, "", `/?${query}`);
  const mine = ++newest;
  if (![...query].some(([name, value]) => name !== "app" && value)) {
    showErrors(null);
    $("result").hidden = true;
    $("warnings").replaceChildren();
    say("Paste an address to see your link.");
    return;
  }
  let answer;
  try {
    answer = await (await fetch(`/api/link?${query}`)).json();
  } catch {
    say("The server does not answer; your fields are kept.");
    return;
  }
  if (mine !== newest) return; // a newer question is under way
  $("summary").hidden = true;
  showErrors(answer.error);
  $("warnings").replaceChildren(
    ...(answer.warnings || []).map((text) => {
      const item = document.createElement("li");
      item.textContent = `! ${text}`;
      return item;
    })
  );
  $("result").hidden = Boolean(answer.error);
  if (answer.error) {
    say("✗ This link will not work yet");
    return;
  }
  $("url").value = answer.url;
  $("open").href = answer.url;
  $("badge").value = `[![Launch](${location.origin}/static/badge.svg)](${answer.url})`;
  const count = answer.warnings.length;
  say(count ? `✓ Link ready, ${count} note${count > 1 ? "s" : ""}` : "✓ Ready to share");
}

async function copy() {
  const field = $("url");
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy"); // pages without TLS have no clipboard
  }
  $("copy").textContent = "Copied";
  say("✓ Copied");
  setTimeout(() => ($("copy").textContent = "Copy link"), 2000);
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(update, 400);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  update().then(() => {
    const wrong = document.querySelector(".field.wrong input");
    if (wrong) wrong.focus();
  });
});
$("copy").addEventListener("click", copy);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !$("result").hidden) copy();
});
