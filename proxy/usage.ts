/** What an answer cost, as the API tells it: input in `message_start`, output in `message_delta`. */
import * as v from 'valibot';

// No answer is as long as the bound: a number beyond it is a fault, and the byte count stands.
const count = v.optional(
  v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1_000_000_000))),
);

// Loose: the API adds fields.
const usageSchema = v.object({
  input_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  output_tokens: count,
});

type UsageFields = v.InferOutput<typeof usageSchema>;

const startSchema = v.object({ message: v.object({ usage: usageSchema }) });
const deltaSchema = v.object({ usage: usageSchema });

/** Adds up one exchange. */
export class UsageMeter {
  #input: number | null = null;
  #output = 0;
  /** Whether the output count is the final one. */
  #final = false;
  #textBytes = 0;

  /** Looks at one event of a stream. */
  see(event: string, data: string): void {
    if (event === 'message_start') this.#start(v.safeParse(startSchema, parse(data)));
    else if (event === 'message_delta') this.#delta(v.safeParse(deltaSchema, parse(data)));
    else if (event === 'content_block_delta') this.#textBytes += deltaBytes(data);
  }

  /** Looks at the message of a request without `stream`. */
  seeMessage(message: unknown): void {
    const parsed = v.safeParse(deltaSchema, message);
    if (!parsed.success) return;
    this.#take(parsed.output.usage);
    this.#final = parsed.output.usage.output_tokens != null;
  }

  #start(parsed: v.SafeParseResult<typeof startSchema>): void {
    if (parsed.success) this.#take(parsed.output.message.usage);
  }

  #delta(parsed: v.SafeParseResult<typeof deltaSchema>): void {
    if (!parsed.success) return;
    this.#take(parsed.output.usage);
    this.#final = parsed.output.usage.output_tokens != null;
  }

  #take(usage: UsageFields): void {
    const cache = (usage.cache_creation_input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0);
    if (usage.input_tokens != null) this.#input = usage.input_tokens + cache;
    if (usage.output_tokens != null) this.#output = usage.output_tokens;
  }

  /**
   * Tokens to charge. Where the API did not come to say, the side that cannot be too low: the bound
   * of the input, and for the output a token for each byte seen, at most `maxTokens`.
   */
  charge(inputBound: number, maxTokens: number): number {
    const input = this.#input ?? inputBound;
    const unsaid = Math.max(this.#output, Math.min(maxTokens, this.#textBytes));
    return input + (this.#final ? this.#output : unsaid);
  }
}

const textSchema = v.object({
  delta: v.object({ text: v.optional(v.string()), thinking: v.optional(v.string()) }),
});

/** UTF-8 bytes of what a delta adds; of the whole data where its shape is unknown. */
function deltaBytes(data: string): number {
  const parsed = v.safeParse(textSchema, parse(data));
  const delta = parsed.success ? parsed.output.delta : {};
  return new TextEncoder().encode(delta.text ?? delta.thinking ?? data).length;
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
