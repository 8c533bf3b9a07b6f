/** Takes secrets out of text that leaves the proxy, should an upstream ever echo one. */
export type Redact = (text: string) => string;

export function redactor(secrets: readonly (string | undefined)[]): Redact {
  const known = secrets.filter((secret) => secret !== undefined && secret !== '') as string[];
  return (text) => known.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text);
}
