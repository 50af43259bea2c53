// Follows a build: adds what is new to its stages, and loads the page again when it has ended.
"use strict";
const stages = document.getElementById("stages");
const said = document.getElementById("said");
let cursor = Number(stages.dataset.cursor);
let pause = 500;

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function stageOf(stage) {
  const found = stages.querySelector(`[data-first="${stage.first}"]`);
  if (found) return found;
  for (const before of stages.querySelectorAll("details.active")) before.open = false;
  stages.querySelector("p:only-child")?.remove();
  const details = element("details", "stage");
  details.dataset.first = stage.first;
  details.open = true;
  const summary = element("summary", "");
  const dot = element("span", "dot");
  dot.setAttribute("aria-hidden", "true");
  summary.append(dot, " ", element("span", "name", stage.name), " ", element("span", "word"), " ", element("span", "took"));
  const log = element("ol", "log");
  log.tabIndex = 0;
  log.setAttribute("aria-label", `Log of ${stage.name}`);
  details.append(summary, log);
  stages.append(details);
  said.textContent = `${stage.name} is under way`;
  return details;
}

function show(build) {
  for (const stage of build.stages) {
    const details = stageOf(stage);
    details.className = `stage ${stage.state}`;
    details.querySelector(".word").textContent = stage.word;
    details.querySelector(".took").textContent = stage.took;
    const log = details.querySelector(".log");
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
    for (const line of stage.lines) {
      const item = element("li", "");
      item.id = `L${line.number}`;
      const number = element("a", "", line.number);
      number.href = `#L${line.number}`;
      number.tabIndex = -1;
      item.append(number, element("span", "", line.text));
      log.append(item);
    }
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
  document.getElementById("took").textContent = build.took;
  cursor = build.cursor;
}

async function look() {
  try {
    const answer = await fetch(`/api${stages.dataset.image}?since=${cursor}`);
    const build = await answer.json();
    if (build.outcome !== "running" || build.cursor < cursor) {
      location.reload(); // the same address now shows how it ended, or another build of it
      return;
    }
    if (build.stages.some((stage) => stage.lines.length)) pause = 500;
    else pause = Math.min(pause * 1.2, 2000);
    show(build);
  } catch {
    said.textContent = "Reconnecting… the build goes on";
    pause = 2000;
  }
  setTimeout(look, pause);
}

// A line that is pointed at may be in a stage that is closed.
function reveal() {
  const line = /^#L\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
  if (!line) return;
  line.closest("details").open = true;
  line.scrollIntoView({ block: "center" });
}

addEventListener("hashchange", reveal);
reveal();
if (stages.dataset.outcome === "running") {
  for (const log of stages.querySelectorAll(".active .log")) log.scrollTop = log.scrollHeight;
  setTimeout(look, pause);
}
