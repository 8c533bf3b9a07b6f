import { defineConfig, type Plugin } from 'vite';
import { offline } from './tools/site/offline.ts';

/**
 * Further origins that the page may call, separated by spaces: the proxy or the model host, where the
 * deployment keeps them elsewhere. Part of the CSP, so it is fixed when the site is built.
 */
const connect = process.env.WHORL_CONNECT_SRC ?? '';

/** Puts the deployment's origins into the CSP of `index.html`; the development server needs its own socket too. */
function contentSecurityPolicy(): Plugin {
  return {
    name: 'whorl-csp',
    transformIndexHtml: {
      order: 'pre',
      handler(html, { server }) {
        const socket = server ? ' ws:' : '';
        return html.replace('%WHORL_CONNECT_SRC%', `${connect}${socket}`.trim());
      },
    },
  };
}

export default defineConfig({
  base: './',
  build: { outDir: 'dist/site', target: 'es2023', assetsInlineLimit: 0, sourcemap: true },
  worker: { format: 'es' },
  server: { port: 5173 },
  plugins: [contentSecurityPolicy(), offline()],
});
