// Checks a description by all recommended rules of Redocly: node lint.mjs FILE. Warnings count.

import { createConfig, lint } from '@redocly/openapi-core';

const config = await createConfig({
  extends: ['recommended-strict'],
  rules: { 'operation-4xx-response': 'error', 'operation-operationId': 'error', 'no-unused-components': 'error', 'no-identical-paths': 'error' },
});
const problems = await lint({ ref: process.argv[2], config });
for (const { ruleId, message, location } of problems) console.log(`${ruleId}: ${message} (${location.map((at) => at.pointer).join(', ')})`);
console.log(`${problems.length} problems`);
process.exitCode = problems.length ? 1 : 0;
