// Follows a class: asks each two seconds for what the table shows, and says aloud what it counts.
const board = document.getElementById("board");
const said = document.getElementById("said");
let text = "";

const counts = () => document.getElementById("counts").textContent.split(";")[0];
const inSelection = () => !getSelection().isCollapsed && board.contains(getSelection().anchorNode);

async function look() {
  try {
    const answer = await fetch(`/classes/${board.dataset.course}/now`, { headers: { "X-Board-Key": board.dataset.key } });
    if (answer.status === 401 || answer.status === 403) {
      location.reload(); // the sign-in has ended: the page leads to a new one
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const now = await answer.text();
    if (now !== text && !inSelection()) {
      const before = counts();
      const focused = document.activeElement?.matches("#board .scroll");
      const scroll = board.querySelector(".scroll")?.scrollLeft || 0;
      board.innerHTML = now; // of this server, which escapes what is not its own
      text = now;
      const table = board.querySelector(".scroll");
      if (table) table.scrollLeft = scroll;
      if (focused) table?.focus();
      if (counts() !== before) said.textContent = counts();
      document.title = `${counts()} – ${document.title.split(" – ").pop()}`;
    }
    said.className = "unseen";
  } catch {
    said.className = "said";
    said.textContent = "Reconnecting… what you see is from before";
  }
  setTimeout(look, document.hidden ? 20000 : 2000);
}

setTimeout(look, 2000);
