// Sums up as Rust's tests do, in the line that `cargo xtask test` adds up.

import type { TestModule } from "vitest/node";
import type { Reporter } from "vitest/reporters";

export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]) {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const passed = tests.filter((test) => test.result().state === "passed").length;
    const failed = tests.filter((test) => test.result().state === "failed").length;
    // A file that does not load has no tests.
    const broken = modules.filter((module) => module.errors().length > 0).length;
    const ok = failed + broken === 0 ? "ok" : "FAILED";
    console.log(`test result: ${ok}. ${passed} passed; ${failed + broken} failed;`);
  }
}
