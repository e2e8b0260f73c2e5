// Sorting: a click on a column's heading sorts its table by that column, a second one turns the order round.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
    return cell.dataset.text ?? (cell.tagName === "TH" ? cell.textContent.trim() : null);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
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
