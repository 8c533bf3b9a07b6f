/**
 * The proxy between a page and the Claude API: `Request -> Response`, for Node, Workers, Deno and
 * Bun. It adds the key and passes on nothing that it did not check. See `docs/proxy.md`.
 */
export type { BudgetState, BudgetStore } from './budget.ts';
export { memoryBudgetStore } from './budget.ts';
export { API_VERSION, DEFAULT_MODEL, type LogEntry, type ProxyOptions } from './options.ts';
export { type ClaudeProxy, createProxy, type RequestInfo } from './proxy.ts';
export { ProxyError, type ProxyErrorCode } from './proxy-error.ts';
