"use strict";
// Why no library: what a page of results needs is a stable sort, a filter, and a cursor on a grid, which are some
// screens of plain JavaScript; a table library is ten times that, brings markup of its own that would have to be made
// accessible again, and must be kept up to date in every page ever saved. Nothing here makes markup of a text.

/** An element with attributes and children; a text is a text, never markup. */
function make(name, attributes = {}, ...children) {
  const found = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  found.append(...children);
  return found;
}

// Colours ------------------------------------------------------------------------------------------------------------

const repaints = [];
const repaint = () => repaints.forEach((paint) => paint());

function setColours(wanted) {
  if (wanted) document.documentElement.dataset.colours = wanted;
  else delete document.documentElement.dataset.colours;
  repaint();
}

function switchColours() {
  const choice = document.getElementById("colours");
  choice.addEventListener("change", () => setColours(choice.value));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  let closed = [];
  // On paper there is nothing to open.
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((one) => { one.open = true; });
    setColours("light");
  });
  addEventListener("afterprint", () => {
    closed.forEach((one) => { one.open = false; });
    setColours(choice.value);
  });
}

// Tables -------------------------------------------------------------------------------------------------------------

const collator = new Intl.Collator("en", { numeric: true });

function valueOf(cell) {
  const shown = cell.dataset.v ?? cell.textContent;
  return cell.classList.contains("number") ? Number(shown.replaceAll(",", "")) : shown;
}

/** Empty cells come last in either direction; numbers come before texts. */
function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "number" ? a - b : collator.compare(a, b));
}

function sortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, at) => {
    const button = make("button", { type: "button" }, ...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const falling = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row.cells[at]), row]);
      rows.sort((a, b) => compare(a[0], b[0], falling ? -1 : 1));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

const FEW_ROWS = 8;

/** What a reader may type to find a cell: a number with the commas that it is shown with, or without. */
function textsOf(cell) {
  const shown = cell.textContent.toLowerCase();
  return cell.classList.contains("number") ? [shown, shown.replaceAll(",", "")] : [shown];
}

function filterable(table) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length <= FEW_ROWS) return;
  const field = make("input", { type: "search", id: `${table.id}-filter`, autocomplete: "off", spellcheck: "false" });
  const count = make("output", { for: field.id }, `${rows.length} rows`);
  const label = make("label", { for: field.id }, `Only rows of “${table.caption.textContent}” with`);
  table.parentElement.before(make("div", { class: "filter" }, label, field, count));
  const cells = rows.map((row) => [...row.cells].flatMap(textsOf));
  field.addEventListener("input", () => {
    // Every word must be in some cell of the row.
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, at) => {
      const fits = words.every((word) => cells[at].some((cell) => cell.includes(word)));
      row.hidden = !fits;
      shown += fits;
    });
    count.textContent = words.length ? `${shown} of ${rows.length} rows` : `${rows.length} rows`;
  });
}

// Texts to copy ------------------------------------------------------------------------------------------------------

async function copy(field, told) {
  try {
    await navigator.clipboard.writeText(field.value);
    told.textContent = "copied";
  } catch {
    field.focus();
    field.select();
    told.textContent = "selected: copy it with the keyboard";
  }
}

function copyable(field) {
  const told = make("output", { for: field.id });
  const button = make("button", { type: "button" }, "Copy");
  button.addEventListener("click", () => copy(field, told));
  field.after(make("p", { class: "controls" }, button, told));
}

switchColours();
document.querySelectorAll("table[data-table]").forEach((table) => { filterable(table); sortable(table); });
document.querySelectorAll("textarea[data-copy]").forEach(copyable);
