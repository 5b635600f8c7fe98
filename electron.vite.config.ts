import { relative, resolve, sep } from 'node:path';
import { defineConfig } from 'electron-vite';
import { mergeConfig } from 'vite';
import type { Plugin } from 'vite';
import page from './vite.config.ts';

const at = (path: string): string => resolve(import.meta.dirname, path);

/**
 * Keeps relative paths right in a bundle. A module finds its worker or a file of the repository by its own place in the
 * sources, but runs from `out/main`: workers there have entries of the same name, and everything else is looked up from
 * where the source would lie beside `out`.
 */
function ownPlace(): Plugin {
  return {
    name: 'adit:own-place',
    transform(code, id) {
      const path = relative(import.meta.dirname, id)
        .split(sep)
        .join('/');
      if (!/^(?:src-main|native)\//.test(path) || !code.includes('import.meta.url')) return undefined;
      return code
        .replace(
          /new URL\((['"])\.\/([\w-]+)\.ts\1, import\.meta\.url\)/g,
          "new URL('./$2.js', import.meta.here)",
        )
        .replaceAll('import.meta.url', `new URL('../../${path}', import.meta.url).href`)
        .replaceAll('import.meta.here', 'import.meta.url');
    },
  };
}

/**
 * The desktop app: `electron-vite build` writes the shell and the engine to `out/main`, the preload to `out/preload`, and the
 * page, by the same configuration as everywhere, to `out/page`.
 */
export default defineConfig((environment) => ({
  main: {
    plugins: [ownPlace()],
    build: {
      outDir: at('out/main'),
      target: 'node24.18',
      rolldownOptions: {
        input: {
          shell: at('src-main/electron/main.ts'),
          engine: at('src-main/electron/engine-process.ts'),
          'cpu-worker': at('src-main/services/practice/cpu-worker.ts'),
        },
        // All in one folder: `ownPlace` counts on the depth.
        output: { format: 'es', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' },
      },
    },
  },
  preload: {
    build: {
      outDir: at('out/preload'),
      // A sandboxed preload may load nothing: everything goes into the one file.
      externalizeDeps: false,
      rolldownOptions: {
        input: { preload: at('src-main/electron/preload.cts') },
        output: { format: 'cjs', entryFileNames: '[name].cjs' },
      },
    },
  },
  renderer: mergeConfig(page(environment), {
    build: { rolldownOptions: { input: at('src-renderer/index.html') } },
  }),
}));
