"use strict";

// A spreadsheet would take these for a formula; the apostrophe goes when the file is read again.
const guarded = (text) => (/^'*[=+@\-\t]/.test(text) ? `'${text}` : text);
const unguarded = (text) => (/^'+[=+@\-\t]/.test(text) ? text.slice(1) : text);

const quoted = (text) => `"${guarded(String(text)).replaceAll('"', '""')}"`;

function toCsv(rows) {
  return rows.map((row) => row.map(quoted).join(",") + "\r\n").join("");
}

/** Rows of a text with commas or, as spreadsheets save it, semicolons between its columns. */
function fromCsv(text) {
  const csv = text.replace(/^\ufeff/, "");
  const header = csv.split("\n", 1)[0];
  const separator = header.split(";").length > header.split(",").length ? ";" : ",";
  const rows = [[""]];
  let inside = false;
  for (let k = 0; k < csv.length; k += 1) {
    const row = rows.at(-1);
    if (inside && csv[k] === '"' && csv[k + 1] === '"') {
      row[row.length - 1] += '"';
      k += 1;
    } else if (csv[k] === '"') inside = !inside;
    else if (!inside && csv[k] === separator) row.push("");
    else if (!inside && csv[k] === "\n") rows.push([""]);
    else if (inside || csv[k] !== "\r") row[row.length - 1] += csv[k];
  }
  return rows.filter((row) => row.length > 1).map((row) => row.map(unguarded));
}

