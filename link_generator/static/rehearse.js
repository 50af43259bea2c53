// The Rehearse button: the same form as without a script, but its steps are shown on this page.
const $ = (id) => document.getElementById(id);

function say(text, state = "") {
  $("rehearsal").className = state;
  if ($("rehearsal").textContent !== text) $("rehearsal").textContent = text;
}

async function json(address, more) {
  const answer = await fetch(address, { ...more, headers: { Accept: "application/json" } });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error.message);
  return said;
}

export function offerRehearsal(done) {
  const form = $("rehearse");
  if (!form) return;
  let newest = 0;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const mine = ++newest;
    const link = $("rehearse-link").value;
    say("Rehearsing: the link is opened …");
    try {
      let run = await json(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      while (run.state !== "done") {
        if (mine !== newest) return;
        say(`Rehearsing: ${run.sentence}`);
        await new Promise((next) => setTimeout(next, 1000));
        run = await json(`/api/rehearsals/${run.id}`);
      }
      if (mine !== newest) return;
      const at = new Date(run.result.at * 1000).toLocaleString();
      say(`${run.result.ok ? "✓" : "✗"} Rehearsed ${at}: ${run.sentence}`, run.result.ok ? "good" : "bad");
      if (link === $("rehearse-link").value) done();
    } catch (error) {
      if (mine === newest) say(`✗ ${error.message || "The server does not answer."}`, "bad");
    }
  });
}
