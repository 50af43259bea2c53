// What the fields offer: environments, versions, branches, files, and the apps of the environment.
import { combobox } from "./combobox.js";

const $ = (id) => document.getElementById(id);

async function ask(what, query) {
  const answer = await fetch(`/api/choices/${what}?${new URLSearchParams(query)}`);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

async function versions(q) {
  if (!$("env").value) return { choices: [], note: "Choose the environment first." };
  return ask("versions", { q, env: $("env").value });
}

async function branches(q) {
  if (!$("repo").value) return { choices: [], note: "Name the repository first." };
  return ask("branches", { q, repo: $("repo").value });
}

async function files(q) {
  if (!$("repo").value) return { choices: [], note: "Name the repository first." };
  const place = { repo: $("repo").value, branch: $("branch").value, only: $("only").value };
  return ask("files", { q, ...place });
}

export function offerChoices() {
  combobox($("env"), (q) => ask("environments", { q }), 0);
  combobox($("version"), versions);
  combobox($("branch"), branches);
  combobox($("path"), files);
}

let known = "";

// Apps that not every image has: shown where this one has them, else the reason why not.
export async function offerApps() {
  const query = { env: $("env").value, version: $("version").value };
  const mark = JSON.stringify(query);
  if (mark === known || !query.env) return;
  known = mark;
  let apps;
  try {
    ({ apps } = await ask("apps", query));
  } catch {
    known = ""; // asked again with the next change
    return;
  }
  if (mark !== known) return;
  for (const { name, why } of apps) {
    const radio = document.querySelector(`.app [value="${name}"]`);
    radio.closest("label").hidden = Boolean(why) && !radio.checked;
  }
  const missing = apps.filter((one) => one.why);
  $("why").hidden = !missing.length;
  const names = missing.map((one) => one.label).join(" or ");
  $("why").querySelector("summary").textContent = `Why not ${names}?`;
  $("why-not").replaceChildren(
    ...missing.map((one) => {
      const item = document.createElement("li");
      item.textContent = one.why;
      return item;
    })
  );
}
