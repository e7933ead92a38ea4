// Sums up as Rust's tests do, in the line that `cargo xtask test` adds up.

import type { Reporter, TestCase, TestResult } from "@playwright/test/reporter";

export default class Tally implements Reporter {
  private passed = 0;
  private failed = 0;

  onTestEnd(test: TestCase, result: TestResult) {
    if (result.status === test.expectedStatus) this.passed++;
    else this.failed++;
  }

  onEnd() {
    const ok = this.failed === 0 ? "ok" : "FAILED";
    console.log(`test result: ${ok}. ${this.passed} passed; ${this.failed} failed;`);
  }
}
