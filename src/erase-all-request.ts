/** What `engine.eraseAll` takes; apart, so that the published types reach nothing of how it is done. */
export interface EraseAllRequest {
  /** Name of the engine, so that nobody erases all by mistake. */
  readonly confirm: string;
  readonly signal?: AbortSignal;
}
