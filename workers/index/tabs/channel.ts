/**
 * What tabs need to speak to each other. Messages may be late, lost, doubled or out of order, and other
 * versions of this program may speak, too: everything that is heard is parsed.
 */
export interface TabChannel {
  /** Says something to one tab, or (`to` null) to all others. Throws where a message cannot be cloned. */
  post(message: object, to: string | null): void;
  /** Hears what is said to all and what is said to `tab`; once. */
  listen(tab: string, hear: (message: unknown) => void): void;
  close(): void;
}

export interface TabOptions {
  /** This tab's address: 8 to 64 of `[0-9a-zA-Z-]`, never used before. */
  readonly tab: string;
  readonly channel: TabChannel;
  /** Resolves after so many milliseconds. */
  readonly wait: (ms: number) => Promise<void>;
  /** 0 to 1, exclusive; so that two tabs that miss the same leader do not act in the same moment. */
  readonly random: () => number;
}

/**
 * A channel over BroadcastChannel. Each tab has an address of its own, so that rows for one tab are not
 * copied into all of them.
 *
 * @param open `(address) => new BroadcastChannel(address)`, or null where the browser denies it
 * @returns null where the browser denies it
 */
export function broadcastTabs(
  name: string,
  open: (address: string) => BroadcastChannel | null,
): TabChannel | null {
  const all = open(`${name}/tabs`);
  if (all === null) return null;
  let own: BroadcastChannel | null = null;
  return {
    post(message, to) {
      if (to === null) {
        all.postMessage(message);
        return;
      }
      const line = open(`${name}/tabs/${to}`);
      try {
        line?.postMessage(message);
      } finally {
        // What was posted is on its way: closing ends listening only.
        line?.close();
      }
    },
    listen(tab, hear) {
      own = open(`${name}/tabs/${tab}`);
      all.onmessage = ({ data }) => hear(data);
      if (own !== null) own.onmessage = ({ data }) => hear(data);
    },
    close() {
      all.close();
      own?.close();
    },
  };
}
