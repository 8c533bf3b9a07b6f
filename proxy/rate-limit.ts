/** A token bucket for each client, and a cap on requests at the same time. */

interface Bucket {
  tokens: number;
  at: number;
}

export interface RateLimitOptions {
  /** Requests a minute that each key earns. */
  readonly perMinute: number;
  /** Requests that a key may make at once. */
  readonly burst: number;
  /** Monotonic milliseconds. */
  readonly clock: () => number;
  /** Keys remembered; the one unused for longest goes first. Default 10,000. */
  readonly maxKeys?: number;
}

export class RateLimit {
  readonly #options: RateLimitOptions;
  /** In order of last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Takes one request: 0, or the milliseconds after which the next one is free. */
  take(key: string): number {
    const { perMinute, burst, clock, maxKeys = 10_000 } = this.#options;
    const now = clock();
    const old = this.#buckets.get(key);
    const earned = old ? ((now - old.at) * perMinute) / 60_000 : 0;
    const bucket = { tokens: Math.min(burst, (old?.tokens ?? burst) + earned), at: now };
    const free = bucket.tokens >= 1;
    if (free) bucket.tokens -= 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > maxKeys) this.#forgetOldest();
    return free ? 0 : ((1 - bucket.tokens) * 60_000) / perMinute;
  }

  #forgetOldest(): void {
    const oldest = this.#buckets.keys().next();
    if (!oldest.done) this.#buckets.delete(oldest.value);
  }
}

/**
 * Who a client is, for the limit. One IPv6 customer holds a /64 and could otherwise take a fresh
 * address for each request.
 */
export function clientKey(address: string | undefined, origin: string | null): string {
  return `${address === undefined ? 'unknown' : network(address)} ${origin ?? 'token'}`;
}

function network(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1]) return mapped[1];
  if (!address.includes(':')) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const gap = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(gap).fill('0'), ...right];
  const prefix = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${prefix.join(':')}::/64`;
}

/** Counts what runs at the same time. */
export class Slots {
  readonly #size: number;
  #taken = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** The function that gives the slot back (once), or null when all are taken. */
  take(): (() => void) | null {
    if (this.#taken >= this.#size) return null;
    this.#taken += 1;
    let held = true;
    return () => {
      if (held) this.#taken -= 1;
      held = false;
    };
  }
}
