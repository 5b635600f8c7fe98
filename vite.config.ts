import { resolve } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/**
 * The page: `vite build` writes it to `out/page`. `--mode mock` writes a page with the made-up engine behind `?mock=` to
 * `out/page-mock`; an ordinary build does not contain that engine. Under vitest only the project root is given.
 */
export default defineConfig(({ mode, command }) => {
  const mock = mode === 'mock' || (command === 'serve' && mode === 'development');
  const define = { __ADIT_MOCK__: JSON.stringify(mock) };
  if (process.env['VITEST']) return { define };
  return {
    root: resolve(import.meta.dirname, 'src-renderer'),
    base: './',
    define,
    plugins: [react()],
    server: { host: '127.0.0.1', port: 5173, strictPort: true, fs: { allow: [import.meta.dirname] } },
    build: {
      outDir: resolve(import.meta.dirname, mode === 'mock' ? 'out/page-mock' : 'out/page'),
      emptyOutDir: true,
      target: 'chrome140',
      // Data URIs for fonts would need `font-src data:`; every asset stays a file of our own origin.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      sourcemap: mode === 'mock',
    },
  };
});
