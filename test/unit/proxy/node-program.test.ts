import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { siteFolder } from './server-support.ts';
import { ASK, onEnd, standIn, until } from './support.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** A loaded machine takes seconds to start a process. */
const START_MS = 20_000;

describe('the program', { timeout: 90_000 }, () => {
  interface Run {
    readonly child: ChildProcess;
    readonly output: () => string;
    readonly ended: Promise<number | null>;
  }

  function run(args: readonly string[], env: Record<string, string>, cwd: string): Run {
    const child = spawn(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), join(ROOT, 'proxy/node.ts'), ...args],
      { cwd, env: { PATH: process.env.PATH ?? '', ...env } },
    );
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        output += chunk;
      });
    }
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    onEnd(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    return { child, output: () => output, ended };
  }

  async function printedUrl(program: Run): Promise<string> {
    let url: string | undefined;
    await until(() => {
      url = program
        .output()
        .split('\n')
        .find((line) => /^http:\/\/localhost:\d+$/.test(line));
      return url !== undefined;
    }, START_MS);
    return url ?? '';
  }

  test('prints its URL on a line, serves both, keeps the budget, ends on a signal', async () => {
    const upstream = await standIn({ text: 'hello', usage: { input: 100, output: 50 } });
    const site = await siteFolder();
    const env = {
      ANTHROPIC_API_KEY: upstream.key,
      ANTHROPIC_BASE_URL: upstream.url,
      WHORL_PROXY_LOG: '1',
      WHORL_PROXY_DAILY_TOKENS: '280',
    };
    const first = run(['--port', '0', '--site', site], env, site);
    const url = await printedUrl(first);
    expect(await (await fetch(url)).text()).toContain('<title>Whorl</title>');
    const ask = (base: string) =>
      fetch(`${base}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: base },
        body: JSON.stringify({ ...ASK, max_tokens: 60 }),
      });
    expect((await ask(url)).status).toBe(200);
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);

    const second = run(['--port', '0', '--no-site'], env, site);
    const response = await ask(await printedUrl(second));
    expect(response.status).toBe(429);
    expect(await response.json()).toMatchObject({ error: { code: 'budget_exhausted' } });
    second.child.kill('SIGINT');
    expect(await second.ended).toBe(0);
    for (const output of [first.output(), second.output()]) {
      expect(output).not.toContain(upstream.key);
      expect(output).toContain('"requestId"');
    }
  });

  test('says what is missing', async () => {
    const site = await siteFolder();
    const noSite = run(['--port', '0', '--site', join(site, 'assets')], {}, site);
    expect(await noSite.ended).toBe(1);
    expect(noSite.output()).toContain('npm run build');
    const typo = run(['--no-site'], { WHORL_PROXY_TOKNE: 'x' }, site);
    expect(await typo.ended).toBe(2);
    expect(typo.output()).toContain('WHORL_PROXY_TOKNE');
    const noKey = run(['--port', '0', '--no-site'], {}, site);
    await printedUrl(noKey);
    await until(() => noKey.output().includes('ANTHROPIC_API_KEY is not set'), START_MS);
  });
});
