/** What the site's build tells its service worker. */
declare module 'virtual:whorl-build' {
  /** Hash of the build. */
  export const BUILD: string;
  /** Files of the build, relative to the scope; `./` is the page. */
  export const FILES: readonly string[];
}
