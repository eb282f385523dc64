'use strict';
// The helper against a scripted agent and federator; run by node_test.go, or by `node --test testdata/helper.test.js`.
const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const zlib = require('node:zlib');

// What a second is too short for on a busy machine says nothing of the helper. Where something hangs it has 4 s, and what
// is not held to that takes a minute; elsewhere it has more than anything takes.
const SLACK = 26000;
const budget = (ms) => ({ NODE_OPTIONS: `--require=${path.join(__dirname, 'patient.js')}`, BUDGET: String(ms) });
const PATIENT = budget(20000);
const HANGING = { ...budget(4000), WORKER_TTL: '180' }; // the agent has a third of it

/** Agent and federator in one: notes what it is asked, and answers 200, or what script says; 'hang' is no answer. */
async function peer(t, script = () => 200) {
  const calls = [];
  const self = { calls, script };
  const server = http.createServer((req, res) => {
    let body = '';
    req.on('data', (chunk) => { body += chunk; });
    req.on('end', () => {
      const kind = ['register', 'pass', 'deregister', 'final'].find((k) => req.url.includes(`/${k}`));
      calls.push({ kind, url: req.url, headers: req.headers, body });
      const status = self.script(kind, calls);
      if (status === 'garbage') req.socket.end('SSH-2.0-OpenSSH_9.2\r\n');
      else if (status === 'break off') req.socket.destroy();
      else if (status !== 'hang') res.writeHead(status).end(status === 200 ? '' : 'scripted');
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  t.after(() => { server.close(); server.closeAllConnections(); });
  self.addr = `127.0.0.1:${server.address().port}`;
  self.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'fedscrape-node-'));
  t.after(() => fs.rmSync(self.dir, { recursive: true }));
  self.of = (kind) => calls.filter((c) => c.kind === kind);
  self.story = () => calls.map((c) => c.kind).filter((kind) => kind !== 'pass').join(' ');
  return self;
}

/** Start a worker process that ends in this way; resolves once it has started. */
async function run(t, p, way, env = {}) {
  const child = spawn(process.execPath, [path.join(__dirname, 'worker.js'), way], {
    env: {
      PATH: process.env.PATH, TMPDIR: p.dir, CONSUL_HTTP_ADDR: p.addr, FEDSCRAPE_URL: `http://u%40:p@${p.addr}/`,
      FEDSCRAPE_JOB: 'webapp', FEDSCRAPE_INSTANCE: 'web1:8000', ...PATIENT, ...env,
    },
  });
  t.after(() => child.kill('SIGKILL'));
  setTimeout(() => child.kill('SIGKILL'), 120000).unref(); // one that does not end fails its test, and holds up none
  const proc = { child, log: '' };
  child.stderr.on('data', (chunk) => { proc.log += chunk; });
  proc.ended = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, took: performance.now() - proc.begun }));
  });
  const line = await new Promise((resolve) => { child.stdout.once('data', resolve); });
  proc.begun = performance.now();
  return Object.assign(proc, JSON.parse(line));
}

async function until(what, ok) {
  const deadline = performance.now() + 60000;
  while (!ok()) {
    assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}

function get(port, url, headers = {}) {
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path: url, headers, agent: false }, (res) => {
      const chunks = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) }));
    }).on('error', reject);
  });
}

test('the registration has the fields of the table', async (t) => {
  const p = await peer(t);
  const proc = await run(t, p, 'stay', { CONSUL_HTTP_TOKEN: 'secret' });
  const [call] = p.of('register');
  const reg = JSON.parse(call.body);
  assert.match(reg.ID, new RegExp(`^webapp-${os.hostname()}-${proc.child.pid}-[0-9a-f]{8}$`));
  assert.ok(Math.abs(reg.Meta.start_time - Date.now() / 1000) < 30);
  assert.deepStrictEqual(reg, {
    Name: 'webapp', ID: proc.id, Address: '127.0.0.1', Port: proc.port, Tags: ['fedscrape'],
    Meta: {
      instance: 'web1:8000', worker_id: '0', pid: String(proc.child.pid), start_time: reg.Meta.start_time,
      metrics_path: '/metrics', scheme: 'http',
    },
    Check: { TTL: '15s', Status: 'passing', DeregisterCriticalServiceAfter: '1m' },
  });
  assert.strictEqual(call.headers['x-consul-token'], 'secret');
});

test('it registers again when the agent forgot it', async (t) => {
  const p = await peer(t);
  await run(t, p, 'stay', { WORKER_TTL: '0.15' });
  await until('heartbeats', () => p.of('pass').length >= 2);
  p.script = (kind) => (kind === 'pass' ? 404 : 200);
  await until('the second registration', () => p.of('register').length >= 2);
  assert.strictEqual(p.of('register')[0].body, p.of('register')[1].body);
});

test('the page is the library\'s, with start time and hints', async (t) => {
  for (const env of [{}, { DEFAULTS: '1' }, { OPENMETRICS: '1' }]) {
    const p = await peer(t);
    const proc = await run(t, p, 'stay', env);
    const page = await get(proc.port, '/metrics');
    const body = page.body.toString();
    assert.strictEqual(page.headers['x-fedscrape-worker'], proc.id);
    assert.strictEqual(body.match(/^process_start_time_seconds .*$/mg).length, 1);
    assert.strictEqual(body.match(/^process_start_time_seconds (.*)$/m)[1], page.headers['x-fedscrape-start']);
    assert.deepStrictEqual(body.match(/^fedscrape_gauge_mode.*$/mg), ['fedscrape_gauge_mode{metric="peak",mode="livemax"} 1']);
    assert.match(body, /^jobs_total 3$/m);
    assert.strictEqual(body.endsWith('# EOF\n'), Boolean(env.OPENMETRICS));
    assert.strictEqual(body.split('# EOF').length, env.OPENMETRICS ? 2 : 1);
    const zipped = await get(proc.port, '/metrics', { 'Accept-Encoding': 'gzip' });
    assert.match(zlib.gunzipSync(zipped.body).toString(), /^jobs_total 3$/m);
    assert.strictEqual((await get(proc.port, '/')).status, 404);
  }
});

test('each orderly end hands in all that was counted, then deregisters', async (t) => {
  const ends = {
    natural: [0, null, 3], exit: [3, null, 3], throw: [1, null, 3], signal: [null, 'SIGTERM', 3], handled: [5, null, 103], close: [0, null, 3],
  };
  for (const [way, [code, signal, counted]] of Object.entries(ends)) {
    await t.test(way, async (s) => {
      const p = await peer(s);
      const proc = await run(s, p, way);
      const end = await proc.ended;
      assert.deepStrictEqual([end.code, end.signal], [code, signal], proc.log);
      assert.strictEqual(p.story(), 'register final deregister', proc.log);
      assert.ok(end.took < 10000, `it took ${end.took} ms`); // nothing hangs: the time that there is is not waited for
      const [final] = p.of('final');
      assert.match(final.body, new RegExp(`^jobs_total ${counted}$`, 'm'));
      assert.strictEqual(final.url, '/api/v1/final?job=webapp&instance=web1%3A8000');
      assert.strictEqual(final.headers['x-fedscrape-worker'], proc.id);
      assert.strictEqual(final.headers.authorization, 'Basic dUA6cA==');
      assert.ok(Number(final.headers['x-fedscrape-start']) > 1e9);
    });
  }
});

test('where the page cannot be had at once', async (t) => {
  const f = async (way, story) => {
    const p = await peer(t);
    const proc = await run(t, p, way, way === 'exitInPromise' ? {} : { SLOW: '1' });
    await proc.ended;
    assert.strictEqual(p.story(), story, `${way}: ${proc.log}`);
    if (!story.includes('final')) assert.match(proc.log, /call await close\(\) before process\.exit\(\)/);
  };
  await f('natural', 'register final deregister');
  await f('signal', 'register final deregister');
  await f('exit', 'register deregister');
  await f('exitInPromise', 'register deregister');
});

test('nothing holds up start or exit', async (t) => {
  const f = (name, way, starting, exiting, env, log) => t.test(name, async (s) => {
    const p = await peer(s, starting);
    const proc = await run(s, p, way, { ...HANGING, ...env });
    assert.ok(proc.took < 4000 + SLACK, `start took ${proc.took} ms`);
    p.script = exiting;
    const end = await proc.ended;
    assert.ok(end.took < 4000 + SLACK, `exit took ${end.took} ms`);
    assert.match(proc.log, log);
  });
  const all = (status) => () => status;
  const only = (kind, status) => (k) => (k === kind ? status : 200);
  for (const way of ['natural', 'exit']) {
    await f(`${way}: agent hangs`, way, all('hang'), all('hang'), {}, /timed out/);
    await f(`${way}: agent talks garbage`, way, all('garbage'), all('garbage'), {}, /Parse Error/);
    await f(`${way}: agent forbids`, way, only('register', 403), all(200), {}, /register answers 403: scripted/);
    await f(`${way}: federator hangs`, way, all(200), only('final', 'hang'), {}, /hand in the final snapshot: .*timed out/);
    await f(`${way}: nobody listens`, way, all(200), all(200), { CONSUL_HTTP_ADDR: '127.0.0.1:1', FEDSCRAPE_URL: 'http://127.0.0.1:1' }, /ECONNREFUSED/);
    await f(`${way}: a collector hangs`, way, all(200), all(200), { STUCK: '1' }, /hand in the final snapshot/);
  }
});

test('the final snapshot waits for a federator that starts', async (t) => {
  for (const way of ['natural', 'exit']) {
    const p = await peer(t, (kind, calls) => (kind === 'final' && calls.filter((c) => c.kind === 'final').length === 1 ? 503 : 200));
    await (await run(t, p, way)).ended;
    assert.strictEqual(p.story(), 'register final final deregister', way);
  }
});

test('the final snapshot waits for a federator that restarts', async (t) => {
  for (const way of ['natural', 'exit']) {
    const p = await peer(t, (kind, calls) => (kind === 'final' && calls.filter((c) => c.kind === 'final').length === 1 ? 'break off' : 200));
    await (await run(t, p, way)).ended;
    assert.strictEqual(p.story(), 'register final final deregister', way);
  }
});

test('wrong settings are logged, and nothing is thrown', async (t) => {
  const f = async (env, log) => {
    const p = await peer(t);
    const proc = await run(t, p, 'natural', env);
    assert.strictEqual((await proc.ended).code, 0);
    assert.strictEqual(p.of('register').length, 0);
    assert.match(proc.log, log);
  };
  await f({ FEDSCRAPE_JOB: '' }, /no job: give start\(\) one/);
  await f({ FEDSCRAPE_DISABLE: '1' }, /^$/);
  await f({ CONSUL_HTTP_ADDR: 'unix:///run/consul.sock' }, /unix sockets are not supported/);
  await f({ FEDSCRAPE_ADDRESS: '192.0.2.1' }, /serve the metrics at 192\.0\.2\.1:0: /);
});

test('the wildcard is never bound', async (t) => {
  const p = await peer(t);
  await run(t, p, 'stay', { FEDSCRAPE_ADDRESS: '0.0.0.0' });
  assert.strictEqual(JSON.parse(p.of('register')[0].body).Address, '127.0.0.1');
});

test('slots are stable: the lowest one that is free, also after SIGKILL', async (t) => {
  const p = await peer(t);
  const slot = (n) => JSON.parse(p.of('register')[n].body).Meta.worker_id;
  const first = await run(t, p, 'stay');
  await run(t, p, 'stay');
  first.child.kill('SIGKILL');
  await first.ended;
  await run(t, p, 'stay');
  await run(t, p, 'stay', { FEDSCRAPE_WORKER_ID: 'mine' });
  const without = await run(t, p, 'stay', { PATH: '/nonexistent' });
  assert.deepStrictEqual([0, 1, 2, 3, 4].map(slot), ['0', '1', '0', 'mine', without.id]);
});
