import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { CHROMIUM_FLAGS, chromiumPath } from './test/chromium.ts';

const executablePath = await chromiumPath();

export default defineConfig({
  base: './',
  worker: { format: 'es' },
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/unit/**/*.test.ts', 'test/contracts/**/*.test.ts'],
          exclude: ['test/contracts/**/*.browser.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        worker: { format: 'es' },
        // Found late, a dependency would be bundled in mid-run and the page reloaded under its tests.
        optimizeDeps: {
          include: [
            '@huggingface/tokenizers',
            'axe-core',
            'comlink',
            'dompurify',
            'eventsource-parser',
            'fast-check',
            'fflate',
            'idb',
            'lit',
            'marked',
            'valibot',
          ],
        },
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts', 'test/contracts/**/*.browser.test.ts'],
          testTimeout: 60_000,
          // `npm run test:faults` asks for the long versions; a page sees no process.
          env: {
            WHORL_FAULTS: process.env.WHORL_FAULTS ?? '',
            WHORL_SEED: process.env.WHORL_SEED ?? '',
          },
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: { executablePath, args: CHROMIUM_FLAGS } }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
      {
        test: {
          name: 'sim',
          include: ['test/sim/**/*.test.ts'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/**/*.test.ts', 'test/kill/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
