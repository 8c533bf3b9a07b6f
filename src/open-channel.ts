/** A channel to the other tabs of the origin, or null: Firefox denies it where it denies storage. */
export function openChannel(name: string): BroadcastChannel | null {
  try {
    return new BroadcastChannel(name);
  } catch {
    return null;
  }
}
