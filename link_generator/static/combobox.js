// A text field with a list of choices below it, as the ARIA Authoring Practices describe
// ("Editable Combobox With List Autocomplete"). Whatever is typed stays; the list only helps.

const PATIENCE = 5000; // milliseconds, then the list says that the git server is slow

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function card(choice, id) {
  const item = element("li");
  item.id = id;
  item.setAttribute("role", "option");
  item.dataset.value = choice.value;
  item.append(element("span", "name", choice.label || choice.value));
  if (choice.word) {
    const state = element("span", "word");
    const dot = element("span", `dot ${choice.dot}`);
    dot.setAttribute("aria-hidden", "true");
    state.append(dot, ` ${choice.word}`);
    item.append(" ", state);
  }
  if (choice.detail) item.append(" ", element("span", "help", choice.detail));
  return item;
}

// `ask(text)` promises {choices, more, note}; `delay` is what typing must rest before it is asked.
export function combobox(input, ask, delay = 400) {
  input.removeAttribute("list");
  const popup = element("div", "popup");
  const list = element("ul");
  const note = element("p", "help");
  list.id = `${input.id}-options`;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Choices");
  note.setAttribute("role", "status");
  popup.hidden = true;
  popup.append(list, note);
  input.after(popup);
  for (const [name, value] of [
    ["role", "combobox"],
    ["aria-autocomplete", "list"],
    ["aria-expanded", "false"],
    ["aria-controls", list.id],
    ["aria-haspopup", "listbox"],
  ]) input.setAttribute(name, value);

  let newest = 0;
  let timer = null;
  let picking = false;

  const active = () => list.querySelector('[aria-selected="true"]');

  function close() {
    newest += 1; // an answer that is still to come opens nothing
    clearTimeout(timer);
    popup.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    list.replaceChildren();
  }

  function choose(item) {
    for (const other of list.children) other.setAttribute("aria-selected", String(other === item));
    if (!item) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  }

  async function open(text, then) {
    const mine = ++newest;
    popup.hidden = false;
    input.setAttribute("aria-expanded", "true");
    note.textContent = "Looking …";
    const slow = setTimeout(() => {
      if (mine === newest) note.textContent = "The git server is slow; you can go on typing.";
    }, PATIENCE);
    let said;
    try {
      said = await ask(text);
    } catch {
      said = { choices: [], more: 0, note: "The server does not answer; you can type it." };
    }
    clearTimeout(slow);
    if (mine !== newest) return; // something newer was typed
    list.replaceChildren(...said.choices.map((one, at) => card(one, `${list.id}-${at}`)));
    choose(null);
    const more = said.more ? `${said.more} more: type to narrow them. ` : "";
    const none = said.choices.length || said.note ? "" : "Nothing fits; you can type it anyway.";
    note.textContent = more + none + (said.note || "");
    if (then) then();
  }

  function pick(item) {
    picking = true;
    input.value = item.dataset.value;
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
    picking = false;
  }

  function move(step) {
    const items = [...list.children];
    if (!items.length) return;
    const at = items.indexOf(active());
    const next = at < 0 && step < 0 ? items.length - 1 : at + step;
    choose(items[(next + items.length) % items.length]);
  }

  input.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    const down = event.key === "ArrowDown";
    if (down || event.key === "ArrowUp") {
      event.preventDefault();
      if (event.altKey && !down) close();
      else if (popup.hidden) open("", event.altKey ? null : () => move(down ? 1 : -1));
      else move(down ? 1 : -1);
    } else if (event.key === "Enter" && active()) {
      event.preventDefault();
      pick(active());
    } else if (event.key === "Escape" && !popup.hidden) {
      event.preventDefault();
      close();
    } else if (event.key === "Escape" && input.value) {
      event.preventDefault();
      input.value = "";
      input.dispatchEvent(new Event("input", { bubbles: true }));
      close();
    }
  });
  input.addEventListener("input", (event) => {
    if (picking || !event.isTrusted) return;
    clearTimeout(timer);
    timer = setTimeout(() => document.activeElement === input && open(input.value), delay);
  });
  input.addEventListener("paste", () => close());
  input.addEventListener("click", () => popup.hidden && open(""));
  input.addEventListener("blur", close);
  popup.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps focus
  list.addEventListener("click", (event) => {
    const item = event.target.closest('[role="option"]');
    if (item) pick(item);
  });
}
