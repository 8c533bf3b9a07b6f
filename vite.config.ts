import { defineConfig, type Plugin } from 'vite';
import { connectSources } from './proxy/site-headers.ts';
import { offline } from './tools/site/offline.ts';

/**
 * Further origins that the page may call: the proxy or the model host, where the deployment keeps them
 * elsewhere. Part of the CSP in the page, so it is fixed when the site is built; `npm start` builds and
 * serves with the same value.
 */
const connect = connectSources(process.env.WHORL_CONNECT_SRC);

/** Puts the deployment's origins into the CSP of `index.html`; the development server needs its own socket too. */
function contentSecurityPolicy(): Plugin {
  return {
    name: 'whorl-csp',
    transformIndexHtml: {
      order: 'pre',
      handler(html, { server }) {
        const sources = ["'self'", ...connect, ...(server ? ['ws:'] : [])].join(' ');
        return html.replace('%WHORL_CONNECT_SRC%', sources);
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
