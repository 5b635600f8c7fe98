/** What ran, what failed, what could not run. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const out = fileURLToPath(new URL('../../.cache/', import.meta.url));

export class Report {
  #passed = 0;
  #failed = 0;
  readonly #skipped: string[] = [];
  /** Programs and versions that were really talked to. */
  readonly peers: Record<string, string> = {};

  /** Runs one check. `work` gives a few words on what was seen; what it throws is a failure. */
  async check(name: string, work: () => Promise<string>): Promise<void> {
    const start = performance.now();
    try {
      const words = await work();
      this.#passed += 1;
      console.log(`✓ ${name}: ${words} (${((performance.now() - start) / 1_000).toFixed(1)} s)`);
    } catch (error) {
      this.#failed += 1;
      console.log(`✗ ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }

  /** Says what cannot run, why, and how to get it. */
  skip(name: string, reason: string): void {
    this.#skipped.push(`${name}: ${reason}`);
    console.log(`- ${name}: skipped, ${reason}`);
  }

  /** Closing lines; also as JSON for the program that runs all rungs. Gives whether all is well. */
  end(): boolean {
    mkdirSync(out, { recursive: true });
    const figures = { passed: this.#passed, failed: this.#failed, skipped: this.#skipped, peers: this.peers };
    writeFileSync(`${out}interop.json`, `${JSON.stringify(figures, undefined, 2)}\n`);
    for (const [name, version] of Object.entries(this.peers)) console.log(`ran with ${name} ${version}`);
    for (const line of this.#skipped) console.log(`did not run: ${line}`);
    console.log(
      `${this.#passed} passed, ${this.#failed} failed${this.#skipped.length ? `, ${this.#skipped.length} skipped` : ''}`,
    );
    return this.#failed === 0;
  }
}
