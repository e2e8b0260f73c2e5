// Sorting: a click on a column's heading sorts its table by that column, a second one turns the order round.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    if (cell.dataset.text !== undefined) return cell.dataset.text;
    if (cell.tagName !== "TH" && !cell.classList.contains("text")) return null;
    const words = cell.textContent.trim();
    const number = Number(words.replace("−", "-").replace(/,(?=\d{3})/g, ""));
    return words === "" || Number.isNaN(number) ? words : number;
  };
  const compare = (a, b) => {
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  };
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => ({ row, value: key(row, column) }));
      rows.sort((a, b) => {
        if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
        return down ? compare(b.value, a.value) : compare(a.value, b.value);
      });
      body.append(...rows.map((entry) => entry.row));
    });
  });
}

// A table that is wider than its place says so.
const mark = () => document.querySelectorAll(".scroll").forEach((place) => {
  place.classList.toggle("cut", place.scrollWidth > place.clientWidth + 1);
});
mark();
addEventListener("resize", mark);
document.addEventListener("toggle", mark, true);

// A click on a cell leads to the runs behind it and writes down what each of them has there.
for (const cell of document.querySelectorAll("a.runs")) {
  cell.addEventListener("click", () => {
    const arm = document.getElementById(cell.hash.slice(1));
    const values = new Map(cell.dataset.behind.split(", ").map((each) => each.split(" ")));
    arm.open = true;
    arm.querySelector("th.value").textContent = cell.dataset.what;
    for (const row of arm.querySelectorAll("tr[data-run]")) {
      row.querySelector(".value").textContent = values.get(row.dataset.run) ?? "–";
    }
    arm.querySelectorAll(".value").forEach((each) => { each.hidden = false; });
  });
}
