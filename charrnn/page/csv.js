// Tables as comma-separated values (RFC 4180), for spreadsheets.

/**
 * Writes rows of cells as CSV: every cell in quotes, lines ended by CR LF.
 *
 * A spreadsheet computes a cell that begins with = + - @, a tab or a return, also in quotes, and a
 * model may write such a text. An apostrophe in front of it keeps it a text; numbers stay numbers.
 */
export function csvText(rows) {
  return rows.map((row) => `${row.map(csvCell).join(",")}\r\n`).join("");
}

/** Counts the texts that get an apostrophe in front in `csvText`. */
export function countDisarmed(rows) {
  return rows.flat().filter((cell) => typeof cell === "string" && isFormula(cell)).length;
}

function csvCell(cell) {
  if (cell === null || cell === undefined) return "";
  if (typeof cell === "number") return String(cell);
  const text = isFormula(cell) ? `'${cell}` : cell;
  return `"${text.replaceAll('"', '""')}"`;
}

function isFormula(text) {
  return /^[=+\-@\t\r]/u.test(text);
}
