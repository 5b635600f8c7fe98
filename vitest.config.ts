import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/{unit,property,integration}/**/*.test.{ts,tsx}'],
    // Two cores are the usual machine; tests of services start real processes beside the workers.
    maxWorkers: 2,
    testTimeout: 15_000,
    hookTimeout: 30_000,
  },
});
