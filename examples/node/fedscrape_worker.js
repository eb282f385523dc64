'use strict';
/*
Make this process a fedscrape worker: serve its metrics, register them in Consul, say goodbye at exit.

Copy this file beside your application (as fedscrape_worker.cjs in a package of type module); it needs prom-client, or
a registry of its kind given as `register`, and nothing else; Node 18 or later. Call it in each worker process, never
in the primary:

    cluster     if (cluster.isWorker) await fedscrape.start({ job: 'webapp' })
    pm2, a script, anything else                await fedscrape.start({ job: 'nightly' })

start({ job, instance, port, address, workerId, register, ttl, log }) resolves to the worker, { serviceId, port, close() }.

Settings come from CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_HTTP_SSL, CONSUL_CACERT, FEDSCRAPE_URL (the federator;
unset: no final snapshot), FEDSCRAPE_JOB, FEDSCRAPE_INSTANCE, FEDSCRAPE_WORKER_ID, FEDSCRAPE_ADDRESS and
FEDSCRAPE_DISABLE=1; arguments of start() beat them. Unix sockets (CONSUL_HTTP_ADDR=unix://) are not supported.

Whatever Consul and the federator do, start() and the exit of the process wait for them one second at most, nothing is
thrown (trouble goes to `log`, console.error by default), and nothing of it keeps the process alive. A goodbye is said
when the event loop runs empty, in process.exit(), at an exception that nobody catches, and at a SIGTERM, SIGINT or
SIGHUP that the application does not handle, which then ends the process as ever; where it does handle one, that is
left to the application, and its exit says goodbye. SIGKILL and the like say none: what the process counted since the
last scrape is lost. In process.exit() the page cannot be had after an await (in an async function, a then()), nor if
a metric's collect() waits for something: call await worker.close() before it.

The page is the one that prom-client gives, for a third of its cost: of counters, gauges and histograms the text of each
series is kept, only numbers are written anew, and after every 2,000 of them the event loop has its turn. Summaries,
metrics of other classes and OpenMetrics pages are rendered by prom-client itself.
*/
const { spawn } = require('child_process');
const crypto = require('crypto');
const dgram = require('dgram');
const dns = require('dns');
const fs = require('fs');
const http = require('http');
const os = require('os');
const path = require('path');
const threads = require('worker_threads');
const zlib = require('zlib');

const BUDGET = 1000; // ms that start(), and the exit, wait at most
const FINAL_SHARE = 0.6; // of the budget: what the federator may take of it before the agent has its turn
const MAX_CONNECTIONS = 16;
const ANSWER = 10000; // ms for one answer as a whole
const SLICE = 2000; // samples that are rendered before the event loop has its turn: less than 1 ms
const START_TIME = 'process_start_time_seconds';
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'];
// How prom-client's own aggregation of a cluster is said here; it has live workers only. 'sum' is its default, and
// 'first' has no meaning among workers that come and go.
const MODES = { min: 'livemin', max: 'livemax', average: 'liveavg', omit: 'omit' };

let current = null;

/** Serve and register this process; called again in the same process, give the worker there is. */
function start(options = {}) {
  if (!current) current = new Worker()._start(options);
  return current;
}

/** One process and its registration. */
class Worker {
  constructor() {
    this.serviceId = '';
    this.port = 0;
    this.startTime = performance.timeOrigin / 1000;
    this._log = logToConsole;
    this._server = this._slot = this._timer = this._trouble = this._calls = this._closed = null;
    this._running = this._attempted = this._registered = false;
    this._deadline = 0;
    this._beating = Promise.resolve();
    this._abort = new AbortController();
    this._connections = new Set(); // the oldest first
    this._listeners = [];
  }

  /** Hand in the final snapshot and deregister, within one second. The process is no worker any more then. */
  close() {
    if (!this._closed) this._closed = this._running ? this._close() : Promise.resolve();
    return this._closed;
  }

  async _start(options) {
    try {
      if (process.env.FEDSCRAPE_DISABLE === '1') return this;
      this._configure(options);
      this._running = true;
      this._atExit();
      await within(BUDGET, this._beat()); // its timer keeps the process alive until then
    } catch (err) {
      this._log(`this process is no worker: ${text(err)}`);
    }
    return this;
  }

  _configure({ job, instance, port = 0, address, workerId, register, ttl = 15, log }) {
    const env = process.env;
    if (log) this._log = log;
    this._job = job || env.FEDSCRAPE_JOB;
    if (!this._job) throw new Error('no job: give start() one, or set FEDSCRAPE_JOB');
    const host = os.hostname();
    this._instance = instance || env.FEDSCRAPE_INSTANCE || host;
    this._workerId = workerId ?? env.FEDSCRAPE_WORKER_ID;
    this._address = address || env.FEDSCRAPE_ADDRESS;
    this._wantedPort = port;
    this._ttl = ttl * 1000;
    this._register = register || require('prom-client').register;
    this._renderer = new Renderer(this._register);
    this._agent = agentURL(env.CONSUL_HTTP_ADDR, ['1', 'true'].includes((env.CONSUL_HTTP_SSL || '').toLowerCase()));
    this._federator = env.FEDSCRAPE_URL ? new URL(env.FEDSCRAPE_URL) : null;
    this.serviceId = `${this._job}-${host}-${process.pid}-${crypto.randomBytes(4).toString('hex')}`;
  }

  async _beat() {
    let trouble = null;
    try {
      if (!this._server) await this._serve();
      if (this._registered) {
        const pass = `check/pass/service:${encodeURIComponent(this.serviceId)}`;
        this._registered = (await put({ ...this._agentCall(pass), allow: 404 })) !== 404;
      }
      if (!this._registered) {
        this._attempted = true;
        await put(this._agentCall('service/register', JSON.stringify(this._registration())));
        this._registered = true;
      }
    } catch (err) {
      trouble = text(err);
    }
    if (this._closed) return;
    if (trouble !== this._trouble) {
      this._trouble = trouble;
      this._log(trouble || 'registered again');
    }
    const again = () => { this._beating = this._beat(); };
    this._timer = setTimeout(again, this._registered ? this._ttl / 3 : Math.min(1000, this._ttl / 3)).unref();
  }

  async _serve() {
    await this._readStartTime();
    let address = this._address;
    if (address === '0.0.0.0' || address === '::') {
      this._log(`address ${address} is the wildcard: the address of the route to the agent is taken`);
      address = '';
    }
    if (!address) address = await route(this._agent);
    if (this._workerId === undefined) await this._takeSlot();
    const server = http.createServer((req, res) => this._handle(req, res));
    server.keepAliveTimeout = 120000; // above Prometheus' usual interval
    server.on('connection', (conn) => this._keep(conn));
    try {
      // exclusive: the cluster module would give all workers one port, and a scrape to any of them.
      await listening(server, { host: address, port: this._wantedPort, exclusive: true });
    } catch (err) {
      throw new Error(`serve the metrics at ${address}:${this._wantedPort}: ${text(err)}`);
    }
    if (this._closed) return server.close();
    server.on('error', (err) => this._log(`serve the metrics: ${text(err)}`));
    this._server = server.unref();
    ({ address: this._registeredAddress, port: this.port } = server.address());
  }

  /** What the page says, so that the federator sees one life. */
  async _readStartTime() {
    const metric = this._register.getSingleMetric?.(START_TIME);
    if (metric) this.startTime = (await metric.get()).values[0]?.value ?? this.startTime;
  }

  async _takeSlot() {
    try {
      [this._workerId, this._slot] = await takeSlot(this._job, this._instance);
    } catch (err) {
      this._log(`take a slot: ${text(err)}; worker_id is the service ID`);
      this._workerId = this.serviceId;
    }
  }

  /** One connection more than there may be costs the oldest, slow readers included. */
  _keep(conn) {
    conn.unref();
    this._connections.add(conn);
    conn.on('close', () => this._connections.delete(conn));
    if (this._connections.size > MAX_CONNECTIONS) this._connections.values().next().value.destroy();
  }

  async _handle(req, res) {
    const timer = setTimeout(() => req.socket.destroy(), ANSWER).unref();
    res.on('close', () => clearTimeout(timer));
    res.setHeader('X-Fedscrape-Worker', this.serviceId);
    res.setHeader('X-Fedscrape-Start', String(this.startTime));
    if (req.url.split('?')[0] !== '/metrics') return answer(res, 404, 'see /metrics\n');
    if (req.method !== 'GET' && req.method !== 'HEAD') return answer(res, 405, 'GET /metrics\n');
    try {
      let body = Buffer.from(await this._page(() => new Promise(setImmediate)));
      res.setHeader('Content-Type', this._register.contentType);
      res.setHeader('Vary', 'Accept-Encoding');
      if ((req.headers['accept-encoding'] || '').includes('gzip')) {
        body = await gzip(body);
        res.setHeader('Content-Encoding', 'gzip');
      }
      answer(res, 200, body);
    } catch (err) {
      answer(res, 500, `render the page: ${text(err)}\n`);
    }
  }

  /** The registry's page, with the start time where it lacks one, and the modes of the gauges. */
  async _page(turn) {
    const page = await this._renderer.page(turn);
    let more = '';
    if (!new RegExp(`^${START_TIME}[ {]`, 'm').test(page)) {
      more += family(START_TIME, 'Start time of the process since unix epoch in seconds.', [`${START_TIME} ${this.startTime}`]);
    }
    const hints = this._hints();
    if (hints.length) more += family('fedscrape_gauge_mode', 'How the gauges of several workers become one.', hints);
    const eof = '# EOF\n';
    return page.endsWith(eof) ? page.slice(0, -eof.length) + more + eof : page + more;
  }

  _hints() {
    const hints = [];
    for (const { name, type, aggregator } of this._register.getMetricsAsArray?.() || []) {
      if (type !== 'gauge' || !Object.hasOwn(MODES, aggregator)) continue;
      if (/^(nodejs|process)_/.test(name)) continue; // the library's own: the federator has rules for them
      hints.push(`fedscrape_gauge_mode{metric="${name}",mode="${MODES[aggregator]}"} 1`);
    }
    return hints;
  }

  _registration() {
    return {
      Name: this._job, ID: this.serviceId, Address: this._registeredAddress, Port: this.port, Tags: ['fedscrape'],
      Meta: {
        instance: this._instance, worker_id: String(this._workerId), pid: String(process.pid),
        start_time: String(this.startTime), metrics_path: '/metrics', scheme: 'http',
      },
      Check: { TTL: `${this._ttl / 1000}s`, Status: 'passing', DeregisterCriticalServiceAfter: '1m' },
    };
  }

  _agentCall(where, body = '') {
    const headers = { 'Content-Type': 'application/json' };
    if (process.env.CONSUL_HTTP_TOKEN) headers['X-Consul-Token'] = process.env.CONSUL_HTTP_TOKEN;
    return {
      what: where.split('/')[1], url: this._agent.href, path: `/v1/agent/${where}`, headers, body, ca: authority(this._agent),
      deadline: now() + Math.max(BUDGET, this._ttl / 3), signal: this._abort.signal, allow: 200,
    };
  }

  // What follows is the goodbye.

  _atExit() {
    this._on('beforeExit', () => this.close());
    this._on('exit', () => this._closeNow(true));
    for (const signal of SIGNALS) this._on(signal, () => this._onSignal(signal));
  }

  _on(event, listener) {
    process.prependListener(event, listener); // before a listener of the application that is removed when it is called
    this._listeners.push([event, listener]);
  }

  _onSignal(signal) {
    if (handlers(signal) > 1) return; // the application's: it decides when the process ends
    const raise = () => {
      this._release();
      process.kill(process.pid, signal);
    };
    // At once where that is possible: nothing is counted any more after the page.
    if (this._closed || !this._closeNow(false)) this.close().then(raise, raise);
    else raise();
  }

  async _close() {
    this._deadline = now() + BUDGET;
    const alive = setTimeout(() => {}, BUDGET);
    clearTimeout(this._timer);
    await within(BUDGET / 5, this._beating);
    this._abort.abort(); // an agent that hangs must not cost the final snapshot
    let page = '';
    try {
      if (this._federator) page = await within(this._finalDeadline() - now(), this._page());
      if (page === undefined) throw new Error('the page is still being rendered');
    } catch (err) {
      this._log(`hand in the final snapshot: ${text(err)}`);
    }
    this._calls = this._calls || this._goodbye(page);
    (await sendAll(this._calls)).forEach(this._log);
    clearTimeout(alive);
    this._release();
  }

  /** The same without another turn of the event loop; false where the page cannot be had like that, and time is left. */
  _closeNow(last) {
    if (!this._listeners.length) return true;
    this._deadline = this._deadline || now() + BUDGET;
    if (!this._calls) {
      const page = this._federator ? settled(this._page()) : { value: '' };
      if (!page && !last) return false;
      if (!page) this._log('hand in the final snapshot: it cannot be had here, call await close() before process.exit()');
      else if (page.error) this._log(`hand in the final snapshot: ${text(page.error)}`);
      this._calls = this._goodbye(page && page.value);
    }
    sendFromThread(this._calls.filter((call) => !call.done), this._deadline).forEach(this._log);
    this._release();
    return true;
  }

  _finalDeadline() {
    return this._deadline - BUDGET * (1 - FINAL_SHARE);
  }

  _goodbye(page) {
    const calls = [];
    if (page) {
      const query = new URLSearchParams({ job: this._job, instance: this._instance });
      calls.push({
        what: 'hand in the final snapshot', url: this._federator.href, path: `/api/v1/final?${query}`, body: page,
        ca: authority(this._federator), deadline: this._finalDeadline(), allow: 200, again: 503, // 503: soon ready
        headers: {
          'Content-Type': this._register.contentType, 'X-Fedscrape-Worker': this.serviceId,
          'X-Fedscrape-Start': String(this.startTime),
        },
      });
    }
    if (this._attempted) {
      const call = this._agentCall(`service/deregister/${encodeURIComponent(this.serviceId)}`);
      delete call.signal;
      calls.push({ ...call, what: 'deregister', deadline: this._deadline, allow: 404 });
    }
    return calls;
  }

  _release() {
    for (const [event, listener] of this._listeners.splice(0)) process.removeListener(event, listener);
    clearTimeout(this._timer);
    if (this._server) this._server.close();
    for (const conn of this._connections) conn.destroy();
    if (this._slot !== null) fs.closeSync(this._slot);
    this._slot = null;
  }
}

/** Renders a registry as its own metrics() does. */
class Renderer {
  constructor(register) {
    this._register = register;
    this._library = library(register);
    this._kept = new Map(); // by metric
    this._refused = new WeakSet(); // metrics whose insides are not as known
  }

  /** The page; turn, where it is given, lets others run between two slices of it. */
  async page(turn) {
    const register = this._register;
    if (!this._library || register.contentType !== this._library.Registry.PROMETHEUS_CONTENT_TYPE) return register.metrics();
    if (this._defaults !== register._defaultLabels) this._kept.clear();
    this._defaults = register._defaultLabels;
    const metrics = register.getMetricsAsArray();
    // All collect() run at once, as the library has it.
    const texts = await Promise.all(metrics.map((metric) => (this._knows(metric) ? collected(metric) : register.getMetricsAsString(metric))));
    let samples = 0;
    for (let i = 0; i < metrics.length; i++) {
      if (texts[i] !== null) continue;
      texts[i] = await this._text(metrics[i]);
      samples += this._kept.get(metrics[i])?.samples ?? 0;
      if (!turn || samples < SLICE) continue;
      samples = 0;
      await turn();
    }
    if (this._kept.size > metrics.length) this._forget(new Set(metrics));
    return `${texts.join('\n\n')}\n`;
  }

  _knows(metric) {
    const { Counter, Gauge, Histogram } = this._library;
    return [Counter, Gauge, Histogram].some(({ prototype }) => Object.getPrototypeOf(metric) === prototype)
      && !Object.hasOwn(metric, 'get') && !Object.hasOwn(metric, 'getForPromString') && !this._refused.has(metric);
  }

  async _text(metric) {
    try {
      if (!this._kept.has(metric)) this._kept.set(metric, new Kept(metric, this._register));
      const text = await this._kept.get(metric).text();
      if (text !== null) return text;
    } catch {
      this._refused.add(metric);
      this._kept.delete(metric);
    }
    return this._register.getMetricsAsString(view(metric, metric.hashMap)); // a view: collect() has run
  }

  _forget(metrics) {
    for (const metric of this._kept.keys()) if (!metrics.has(metric)) this._kept.delete(metric);
  }
}

/** The text of one metric, as the library has written it once for each of its series, and its numbers. */
class Kept {
  constructor(metric, register) {
    this._metric = metric;
    this._register = register;
    this._header = null;
    this._children = []; // in the metric's order: { hash, labels, before }, before is what stands before each number
    this._values = metric.type === 'histogram' ? bucketValues : (entry) => [entry.value];
    this.samples = 0;
  }

  /** null where the library has to write a number: it is not finite. */
  async text() {
    for (let tries = 0; tries < 3; tries++) { // the application counts on while the library writes
      if (this._header !== null && this._known()) return this._metric.type === 'histogram' ? this._histogram() : this._single();
      await this._learn();
    }
    return null;
  }

  /** Whether the children are those kept, in their order; forgets those that were last and are gone. */
  _known() {
    const { hashMap } = this._metric;
    const children = this._children;
    let i = 0;
    for (const hash in hashMap) {
      const child = children[i++];
      if (child === undefined || child.hash !== hash) return false;
      const { labels } = hashMap[hash];
      if (child.labels !== labels) { // set() takes new ones each time
        if (!sameLabels(child.labels, labels)) return false;
        child.labels = labels;
      }
    }
    children.length = i;
    return true;
  }

  _single() {
    const { hashMap } = this._metric;
    let text = this._header;
    let i = 0;
    for (const hash in hashMap) {
      const { value } = hashMap[hash];
      if (!Number.isFinite(value)) return null;
      text += this._children[i++].before[0] + value;
    }
    return text;
  }

  _histogram() {
    const { hashMap, upperBounds } = this._metric;
    let text = this._header;
    let i = 0;
    for (const hash in hashMap) {
      const entry = hashMap[hash];
      const { before } = this._children[i++];
      const { bucketValues: buckets, count, sum } = entry;
      if (!Number.isFinite(sum)) return null;
      let below = 0;
      let j = 0;
      for (; j < upperBounds.length; j++) text += before[j] + (below += buckets[upperBounds[j]]);
      text += before[j] + count + before[j + 1] + sum + before[j + 2] + count;
    }
    return text;
  }

  /** Has the library write the children that are new, with 0, 1, 2, ... as values, and keeps what stands before these. */
  async _learn() {
    const { hashMap } = this._metric;
    const known = new Map(this._children.map((child) => [child.hash, child]));
    const keep = (hash) => known.has(hash) && sameLabels(known.get(hash).labels, hashMap[hash].labels);
    const order = Object.keys(hashMap);
    const fresh = {}; // copies: the application counts on
    for (const hash of order.filter((key) => !keep(key))) fresh[hash] = { ...hashMap[hash], bucketValues: { ...hashMap[hash].bucketValues } };
    for (const [hash, before] of Object.entries(await this._written(fresh))) known.set(hash, { hash, labels: fresh[hash].labels, before });
    this._children = order.map((hash) => known.get(hash));
    this.samples = this._children.reduce((sum, child) => sum + child.before.length, 0);
  }

  async _written(entries) {
    const copy = view(this._metric, entries);
    const data = await (copy.getForPromString ? copy.getForPromString() : copy.get());
    const known = Object.values(entries).flatMap((entry) => this._values(entry, this._metric));
    const same = known.length === data.values.length && known.every((value, i) => Object.is(value, data.values[i].value));
    if (!same) throw new Error('its values are not those known');
    const values = data.values.map((value, i) => ({ ...value, value: i, exemplar: undefined }));
    const text = await this._register.getMetricsAsString({ get: async () => ({ ...data, values }) });
    const [help, type, ...lines] = text.split('\n');
    if (lines.length !== known.length || !lines.every((line, i) => line.endsWith(` ${i}`))) throw new Error('its lines are not those known');
    this._header = `${help}\n${type}`;
    const before = lines.map((line, i) => `\n${line.slice(0, -String(i).length)}`);
    const written = {};
    for (const hash of Object.keys(entries)) written[hash] = before.splice(0, this._values(entries[hash], this._metric).length);
    return written;
  }
}

/** prom-client, if the registry is one of its own. */
function library(register) {
  try {
    const client = require('prom-client');
    return Object.getPrototypeOf(register) === client.Registry.prototype ? client : null;
  } catch {
    return null;
  }
}

async function collected(metric) {
  const waits = metric.collect?.();
  if (waits instanceof Promise) await waits;
  return null;
}

/** The metric with other children, and nothing left to collect. */
function view(metric, hashMap) {
  return Object.create(metric, { hashMap: { value: hashMap }, collect: { value: undefined } });
}

function bucketValues(entry, { upperBounds }) {
  let below = 0;
  return [...upperBounds.map((bound) => (below += entry.bucketValues[bound])), entry.count, entry.sum, entry.count];
}

function sameLabels(a, b) {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name] && Object.hasOwn(b, name));
}

// These four run in the thread of sendFromThread too: they use nothing but each other.

function now() {
  return Number(process.hrtime.bigint() / 1000000n); // one clock in all threads
}

function text(err) {
  return (err && (err.message || err.code)) || String(err);
}

/** PUT, with one deadline for the whole. */
function put(call) {
  const url = new URL(call.url);
  const { request } = require(url.protocol === 'https:' ? 'https' : 'http');
  const headers = { ...call.headers, 'Content-Length': Buffer.byteLength(call.body) };
  const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  if (url.username) headers.Authorization = `Basic ${Buffer.from(user).toString('base64')}`;
  const where = url.host + call.path.split('?')[0];
  return new Promise((resolve, reject) => {
    const fail = (err) => {
      // A federator that is being restarted answers in a moment.
      const restarts = call.again && ['ECONNREFUSED', 'ECONNRESET'].includes(err.code) && call.deadline - now() > 150;
      if (restarts) resolve(call.again);
      else reject(new Error(`${where}: ${text(err)}`));
    };
    const req = request({
      method: 'PUT', agent: false, headers, ca: call.ca, signal: call.signal, path: url.pathname.replace(/\/+$/, '') + call.path,
      hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port || undefined,
    });
    const timer = setTimeout(() => req.destroy(new Error('timed out')), Math.max(0, call.deadline - now()));
    req.on('socket', (socket) => socket.unref());
    req.on('close', () => clearTimeout(timer));
    req.on('error', fail);
    req.on('response', (res) => {
      let said = '';
      const end = () => {
        if (res.statusCode < 300 || res.statusCode === call.allow || res.statusCode === call.again) resolve(res.statusCode);
        else reject(new Error(`${where} answers ${res.statusCode}: ${said.slice(0, 200).trim()}`));
        req.destroy();
      };
      res.on('error', fail);
      res.on('end', end);
      res.on('data', (chunk) => { if ((said += chunk).length > 4096) end(); });
      if (res.statusCode < 300) end();
    });
    timer.unref();
    req.end(call.body);
  });
}

async function sendAll(calls) {
  const problems = [];
  for (const call of calls) {
    try {
      while ((await put(call)) === call.again) await new Promise((resolve) => { setTimeout(resolve, 100); });
    } catch (err) {
      problems.push(`${call.what}: ${text(err)}`);
    }
    call.done = true;
  }
  return problems;
}

/** Send while this thread, whose event loop is at its end, waits; the code is given as text: the file may be gone. */
function sendFromThread(calls, deadline) {
  if (!calls.length) return [];
  try {
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const { port1, port2 } = new threads.MessageChannel();
    const main = `const { calls, flag, port } = require('worker_threads').workerData;
      const alive = setInterval(() => {}, 1000);
      sendAll(calls).then((problems) => {
        port.postMessage(problems);
        Atomics.store(flag, 0, 1);
        Atomics.notify(flag, 0);
        clearInterval(alive);
        port.close();
      });`;
    const code = [now, text, put, sendAll, main].map(String).join('\n');
    // An empty environment: what NODE_OPTIONS preloads would take its time here again.
    const options = { eval: true, execArgv: [], env: {}, workerData: { calls, flag, port: port2 }, transferList: [port2] };
    new threads.Worker(code, options).on('error', () => {}).unref();
    Atomics.wait(flag, 0, 0, Math.max(0, deadline - now()));
    const said = threads.receiveMessageOnPort(port1);
    port1.close();
    return said ? said.message : ['say goodbye: timed out'];
  } catch (err) {
    return [`say goodbye: ${text(err)}`];
  }
}

function logToConsole(message) {
  console.error(`fedscrape_worker: ${message}`);
}

/** The promise's value, or undefined where it takes longer. */
function within(ms, promise) {
  let timer;
  const late = new Promise((resolve) => { timer = setTimeout(resolve, Math.max(0, ms)); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What a promise gives if it waits for nothing but other promises; undefined if not. */
function settled(promise) {
  let result;
  promise.then((value) => { result = { value }; }, (error) => { result = { error }; });
  process._tickCallback?.(); // the one way to run what is due when the event loop runs no more
  return result;
}

/** How many handle a signal, without those of the package signal-exit, which raises the signal again if it is alone. */
function handlers(signal) {
  const shared = [process[Symbol.for('signal-exit emitter')], process.__signal_exit_emitter__];
  return shared.reduce((n, emitter) => n - (emitter?.count || 0), process.listenerCount(signal));
}

function agentURL(addr, tls) {
  addr = addr || '127.0.0.1:8500';
  if (addr.startsWith('unix:')) {
    throw new Error(`CONSUL_HTTP_ADDR ${addr}: unix sockets are not supported, give host:port`);
  }
  return new URL(addr.includes('://') ? addr : `${tls ? 'https' : 'http'}://${addr}`);
}

function authority(url) {
  const file = process.env.CONSUL_CACERT;
  return url.protocol === 'https:' && file ? fs.readFileSync(file) : undefined;
}

/** The local address of the route to the agent; connecting a datagram socket sends nothing. */
async function route(url) {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const { address, family: version } = await dns.promises.lookup(host);
  const socket = dgram.createSocket(version === 6 ? 'udp6' : 'udp4').unref();
  try {
    await new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.connect(Number(url.port) || 80, address, resolve);
    });
    return socket.address().address;
  } finally {
    socket.close();
  }
}

function listening(server, options) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

function answer(res, status, body) {
  if (!res.hasHeader('Content-Type')) res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.writeHead(status, { 'Content-Length': Buffer.byteLength(body) });
  res.end(body);
}

function gzip(body) {
  return new Promise((resolve, reject) => {
    zlib.gzip(body, { level: 1 }, (err, zipped) => (err ? reject(err) : resolve(zipped)));
  });
}

function family(name, help, samples) {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...samples, ''].join('\n');
}

/** The lowest free number among the instance's workers on this host, held by a file lock for as long as we live. */
async function takeSlot(job, instance) {
  let folder = path.join(process.env.TMPDIR || '/tmp', `fedscrape-${process.geteuid()}`);
  makePrivate(folder);
  folder = path.join(folder, `${fileName(job)}@${fileName(instance)}`);
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (let slot = 0; slot < 1 << 16; slot++) {
    const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_NOFOLLOW;
    const fd = fs.openSync(path.join(folder, `${slot}.lock`), flags, 0o600);
    let held = false;
    try {
      held = await flock(fd);
    } finally {
      if (!held) fs.closeSync(fd);
    }
    if (held) return [String(slot), fd];
  }
  throw new Error(`all slots in ${folder} are taken`);
}

/** Lock an open file by flock(1), whose lock stays with the open file when that command has ended. */
function flock(fd) {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['-n', '-x', '3'], { stdio: ['ignore', 'ignore', 'ignore', fd], timeout: BUDGET });
    child.unref();
    child.on('error', reject);
    child.on('exit', (code) => (code > 1 || code === null ? reject(new Error(`flock ends with ${code}`)) : resolve(code === 0)));
  });
}

/** Others can write to the parent: a symlink or a folder of theirs in its place is not used. */
function makePrivate(folder) {
  try {
    fs.mkdirSync(folder, 0o700);
  } catch (err) {
    if (err.code !== 'EEXIST') throw err;
  }
  const info = fs.lstatSync(folder);
  if (!info.isDirectory() || info.uid !== process.geteuid() || info.mode & 0o077) {
    throw new Error(`${folder} is not a folder of this user alone: remove it`);
  }
}

/** As the Go package worker writes it, so that workers of all kinds share the slots of an instance. */
function fileName(name) {
  const safe = [...Buffer.from(name)].map((byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9._-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
  return safe.length <= 100 ? safe : safe.slice(0, 64) + crypto.createHash('sha256').update(name).digest('hex').slice(0, 32);
}

module.exports = { start, Renderer }; // Renderer for its tests
