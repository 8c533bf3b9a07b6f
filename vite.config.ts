import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  build: { outDir: 'dist/site', target: 'es2023', assetsInlineLimit: 0, sourcemap: true },
  worker: { format: 'es' },
  server: { port: 5173 },
});
