// Runs the public test suite for HTTP caches (npm package `http-cache-tests`) against one proxy.
//
// node run.mjs <folder of the package> <base URL>; prints one JSON object:
// { "<test id>": { "kind": "required" | "optimal" | "check", "passed": true | false,
//                  "setup": true | false, "why": "..." } }

import { pathToFileURL } from 'node:url'
import path from 'node:path'
import { createRequire } from 'node:module'

const [root, base] = process.argv.slice(2)
const of = file => import(pathToFileURL(path.join(root, file)))

const { runTests, getResults } = await of('client/runner.mjs')
const { default: tests } = await of('tests/index.mjs')
const { default: surrogate } = await of('tests/surrogate-control.mjs')
const fetch = createRequire(path.join(root, 'cli.mjs'))('node-fetch')
tests.push(surrogate)

const kinds = new Map()
for (const suite of tests) {
  for (const test of suite.tests) kinds.set(test.id, test.kind ?? 'required')
}

// All at once: the suite waits three seconds in many places, and tests share nothing.
await runTests(tests, fetch, false, base, 1000)

const results = {}
for (const [id, result] of Object.entries(getResults())) {
  const passed = result === true
  results[id] = {
    kind: kinds.get(id),
    passed,
    setup: !passed && result[0] === 'Setup',
    why: passed ? '' : `${result[0]}: ${result[1]}`
  }
}
console.log(JSON.stringify(results))
