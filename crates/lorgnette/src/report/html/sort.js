for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.tHead.addEventListener("click", (event) => {
    const heading = event.target.closest("th");
    if (!heading) return;
    const column = heading.cellIndex;
    const down = heading.dataset.order !== "down";
    for (const other of table.tHead.rows[0].cells) delete other.dataset.order;
    heading.dataset.order = down ? "down" : "up";
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const compare = (a, b) => column === 0 ? value(a).localeCompare(value(b)) : value(b) - value(a);
    body.append(...[...body.rows].sort((a, b) => (down ? 1 : -1) * compare(a, b)));
  });
}
