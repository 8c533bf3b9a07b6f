import { describe, expect, test } from 'vitest';
import { createProxy, ProxyError, type ProxyOptions } from '../../../proxy/index.ts';
import { PROXY_NAMES, readSettings } from '../../../proxy/node-settings.ts';
import { clientKey, RateLimit } from '../../../proxy/rate-limit.ts';

function refusal(run: () => unknown): ProxyError {
  try {
    run();
  } catch (error) {
    if (error instanceof ProxyError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('options', () => {
  test.each([
    ['maxToken', { maxToken: 5 }],
    ['maxTokens', { maxTokens: 0 }],
    ['maxTokens', { maxTokens: 64_001 }],
    ['maxTokens', { maxTokens: 1.5 }],
    ['maxTokens', { maxTokens: '5' }],
    ['dailyTokens', { dailyTokens: -1 }],
    ['burst', { burst: Number.NaN }],
    ['origins.0', { origins: ['*'] }],
    ['origins.0', { origins: ['https://inn.example/'] }],
    ['origins.1', { origins: ['https://inn.example', 'inn.example'] }],
    ['origins.0', { origins: ['null'] }],
    ['origins.0', { origins: ['file:///etc'] }],
    ['token', { token: 'short' }],
    ['token', { token: 'with a space in the middle' }],
    ['apiKey', { apiKey: 'two\nlines' }],
    ['baseUrl', { baseUrl: 'ftp://x' }],
    ['baseUrl', { baseUrl: 'https://user:pw@x' }],
    ['baseUrl', { baseUrl: 'https://x/?y' }],
    ['models', { models: [] }],
    ['models.0', { models: ['a model'] }],
    ['defaultModel', { defaultModel: 'claude-none' }],
    ['aliases.x', { aliases: { x: 'claude-none' } }],
    ['budget', { budget: {} }],
    ['log', { log: 'console' }],
  ])('%s is refused by name: %j', (name, options) => {
    const error = refusal(() => createProxy(options as ProxyOptions));
    expect(error.code).toBe('invalid_option');
    expect(error.message).toContain(`"${name}"`);
    expect(error.message).not.toContain('middle');
  });
});

describe('the command line and the environment', () => {
  test('become settings', () => {
    const settings = readSettings(['--port', '0', '--site', 'folder'], {
      ANTHROPIC_API_KEY: ' sk-ant-x ',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:9',
      WHORL_PROXY_ORIGINS: 'https://a.example, https://b.example',
      WHORL_PROXY_MODELS: 'claude-a,claude-b',
      WHORL_PROXY_ALIASES: 'old=claude-a, older=claude-b',
      WHORL_PROXY_MAX_TOKENS: '512',
      WHORL_PROXY_TOKEN: '',
      WHORL_CONNECT_SRC: 'https://models.example https://proxy.example:8443',
      WHORL_PROXY_TRUSTED_HOPS: '1',
      PATH: '/bin',
    });
    expect(settings).toMatchObject({
      site: 'folder',
      state: '.proxy-state',
      log: false,
      serve: {
        port: 0,
        trustedHops: 1,
        connect: ['https://models.example', 'https://proxy.example:8443'],
      },
      proxy: {
        apiKey: 'sk-ant-x',
        baseUrl: 'http://127.0.0.1:9',
        token: undefined,
        maxTokens: 512,
        origins: ['https://a.example', 'https://b.example'],
        models: ['claude-a', 'claude-b'],
        aliases: { old: 'claude-a', older: 'claude-b' },
      },
    });
  });

  test.each([
    ['--prot', ['--prot', '1'], {}],
    ['port', ['--port', 'x'], {}],
    ['port', ['--port', '65536'], {}],
    ['port', ['--port', '-1'], {}],
    ['here', ['here'], {}],
    ['WHORL_PROXY_MAX_TOKEN', [], { WHORL_PROXY_MAX_TOKEN: '5' }],
    ['WHORL_PROXY_IDLE_MS', [], { WHORL_PROXY_IDLE_MS: '5s' }],
    ['WHORL_PROXY_IDLE_MS', [], { WHORL_PROXY_IDLE_MS: '1e3' }],
    ['WHORL_PROXY_TRUSTED_HOPS', [], { WHORL_PROXY_TRUSTED_HOPS: '9' }],
    ['WHORL_PROXY_LOG', [], { WHORL_PROXY_LOG: 'yes' }],
    ['WHORL_PROXY_ALIASES', [], { WHORL_PROXY_ALIASES: 'old' }],
    ['WHORL_CONNECT_SRC', [], { WHORL_CONNECT_SRC: "https://x; script-src 'unsafe-eval'" }],
    ['WHORL_CONNECT_SRC', [], { WHORL_CONNECT_SRC: '*' }],
    ['WHORL_CONNECT_SRC', [], { WHORL_CONNECT_SRC: 'https://x/path' }],
    ['WHORL_CONNECT_SRC', [], { WHORL_CONNECT_SRC: 'https://x "onload=1' }],
  ])('%s is refused by name', (name, argv, env) => {
    const error = refusal(() => readSettings(argv, env));
    expect(error.code).toBe('invalid_option');
    expect(error.message).toContain(name);
  });

  test('every name is in docs/proxy.md', async () => {
    const { readFile } = await import('node:fs/promises');
    const doc = await readFile(new URL('../../../docs/proxy.md', import.meta.url), 'utf8');
    for (const name of PROXY_NAMES) expect(doc).toContain(`\`${name}\``);
  });
});

describe('the rate limit', () => {
  test('remembers no more clients than it may', () => {
    const limit = new RateLimit({ perMinute: 1, burst: 1, clock: () => 0, maxKeys: 2 });
    expect(limit.take('a')).toBe(0);
    expect(limit.take('b')).toBe(0);
    expect(limit.take('a')).toBe(60_000);
    // `b` was used longest ago, so it is forgotten and `a` is not.
    expect(limit.take('c')).toBe(0);
    expect(limit.take('a')).toBe(60_000);
    expect(limit.take('b')).toBe(0);
  });

  test.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:ffff::1', true],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
    ['2001:db8::1', '2001:0db8:0:0:9::', true],
    ['::1', '0:0:0:0::2', true],
    ['fe80::1%eth0', 'fe80::2%eth0', true],
    ['::ffff:10.0.0.1', '10.0.0.1', true],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.2', false],
    ['10.0.0.1', '10.0.0.2', false],
    [undefined, undefined, true],
  ])('takes %s and %s for one client: %s', (left, right, same) => {
    expect(clientKey(left, null) === clientKey(right, null)).toBe(same);
  });

  test('tells origins apart', () => {
    expect(clientKey('10.0.0.1', 'https://a.example')).not.toBe(clientKey('10.0.0.1', null));
  });
});
