// Copies the details of an error for somebody who can help.
"use strict";
document.getElementById("copy-details").addEventListener("click", async (event) => {
  const details = document.getElementById("details");
  try {
    await navigator.clipboard.writeText(details.textContent);
  } catch {
    getSelection().selectAllChildren(details);
    document.execCommand("copy"); // pages without TLS have no clipboard
  }
  event.target.textContent = "Copied";
});
