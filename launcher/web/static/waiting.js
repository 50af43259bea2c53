// Follows a launch: asks for what is new, shows it, and goes to the notebook when it is ready.
"use strict";
const steps = document.getElementById("steps");
const log = document.getElementById("log");
const said = document.getElementById("said");
const words = { waiting: "waiting", active: "under way", done: "done", failed: "failed" };
let cursor = Number(steps.dataset.cursor);
let pause = 250;

function show(launch) {
  for (const step of launch.steps) {
    const row = steps.querySelector(`[data-step="${step.name}"]`);
    if (!row) continue;
    if (step.state !== row.className && step.message) said.textContent = `${step.label}: ${step.message}`;
    row.className = step.state;
    row.querySelector(".state").textContent = words[step.state];
    row.querySelector(".seconds").textContent = step.seconds === null ? "" : `${step.seconds} s`;
    row.querySelector(".message").textContent = step.message;
  }
  const lines = launch.events.filter((event) => event.log).map((event) => event.message);
  if (lines.length) {
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
    log.append((log.textContent ? "\n" : "") + lines.join("\n"));
    log.closest("details").open = true;
    if (atEnd) log.scrollTop = log.scrollHeight;
  }
  showPlace(launch);
  const build = document.getElementById("build");
  build.hidden = !launch.build;
  build.querySelector("a").href = launch.build || "#";
  cursor = launch.cursor;
}

// In line: the place in large letters, said aloud when it changes.
function showPlace(launch) {
  const waits = Boolean(launch.queue);
  document.getElementById("queue").hidden = !waits;
  document.getElementById("keep").hidden = !waits;
  document.getElementById("close").hidden = waits;
  said.className = waits ? "unseen" : "said"; // read out only: the place stands above
  if (!waits) {
    document.title = `Opening – ${launch.title}`;
    return;
  }
  const place = document.getElementById("place");
  if (place.textContent !== launch.queue.place) said.textContent = `${launch.queue.place}. ${launch.queue.sentence}`;
  place.textContent = launch.queue.place;
  document.getElementById("expect").textContent = launch.queue.sentence;
  document.title = `${launch.queue.place} – ${launch.title}`;
}

// The student's own files are concerned: they read it before they go on.
function showReceipt(launch) {
  const receipt = document.getElementById("receipt");
  receipt.querySelector("ul").replaceChildren(
    ...launch.to_read.map((sentence) => {
      const item = document.createElement("li");
      item.textContent = sentence;
      return item;
    })
  );
  document.getElementById("undo").href = `/sessions/${launch.session}/snapshots`;
  receipt.hidden = false;
  document.querySelector("h1").textContent = `Ready: ${launch.title}`;
  document.getElementById("close").hidden = true;
  said.className = "unseen"; // read out only: it stands above
  said.textContent = `Ready. ${launch.to_read.join(" ")}`;
}

async function look() {
  try {
    const answer = await fetch(`/api/launches/${steps.dataset.launch}?since=${cursor}`);
    if (answer.status === 404) {
      location.reload(); // the server was started again; the link starts the launch again
      return;
    }
    const launch = await answer.json();
    show(launch);
    if (launch.url) {
      said.textContent = "Ready";
      document.title = `Ready – ${launch.title}`;
      const ready = document.getElementById("ready");
      ready.hidden = false;
      ready.querySelector("a").href = launch.url;
      if (launch.to_read.length) showReceipt(launch);
      else location.replace(launch.url);
      return;
    }
    if (launch.error) {
      location.reload(); // the same address now shows what happened
      return;
    }
    pause = Math.min(pause * 1.3, 2000);
  } catch {
    said.className = "said";
    said.textContent = "Reconnecting… your session goes on";
    pause = 2000;
  }
  setTimeout(look, pause);
}

setTimeout(look, pause);
