/** What a host brings instead of our own model. Types only. */

/** How an {@link Embedder} is called. */
export interface EmbedderCall {
  /** Fires when nobody wants the answer any more. An embedder may ignore it; the caller need not wait then. */
  readonly signal: AbortSignal;
  /** `query`: somebody waits for this one. `bulk`: one slice of much work. */
  readonly priority: 'query' | 'bulk';
}

/**
 * Vectors in the order of the texts: a list of rows, or all of them row-major in one `Float32Array`. Of any
 * length but 0: they are brought to unit length.
 */
export type EmbedderVectors = readonly (Float32Array | readonly number[])[] | Float32Array;

/**
 * Anything that embeds: an API, a transformers.js pipeline (`fromPipeline`), a table of words. Calls never
 * overlap; a query goes before bulk work that has not begun. The same text must give the same vector,
 * whatever texts it comes with: vectors are kept and compared later.
 */
export interface Embedder {
  /**
   * Name of the vector space, 1 to 200 characters: what was stored under one name is compared with what is
   * asked under it. Change it with the model, its version, its pooling or its prefixes. Without a name the
   * vectors that it gives to four fixed texts stand for it, which costs one call at each start, and stored
   * records are embedded again when those vectors change noticeably.
   */
  readonly model?: string;
  /** At most a few thousand tokens a call. A rejection rejects the call that needed the vectors. */
  embed(
    texts: readonly string[],
    options: EmbedderCall,
  ): Promise<EmbedderVectors> | EmbedderVectors;
}
