'use strict';
// One process of a test: counts, becomes a worker, and ends in the way that it is told.
const prom = require('prom-client');
const fedscrape = require('../fedscrape_worker');

const ways = {
  natural() {},
  exit() { setImmediate(() => process.exit(3)); },
  async exitInPromise() { process.exit(3); },
  throw() { throw new Error('nobody catches it'); },
  signal() { process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 10000); },
  handled() {
    process.once('SIGTERM', () => { jobs.inc(100); setTimeout(() => process.exit(5), 50); });
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => {}, 10000);
  },
  async close(worker) { await worker.close(); process.exit(0); },
  stay() { setInterval(() => {}, 1000); },
};

const jobs = new prom.Counter({ name: 'jobs_total', help: 'Jobs.' });
if (process.env.OPENMETRICS) prom.register.setContentType(prom.Registry.OPENMETRICS_CONTENT_TYPE);
if (process.env.DEFAULTS) prom.collectDefaultMetrics();
if (process.env.SLOW) new prom.Gauge({ name: 'slow', help: 'Slow.', async collect() { await new Promise((r) => { setTimeout(r, 10); }); } });
if (process.env.STUCK) new prom.Gauge({ name: 'stuck', help: 'Stuck.', collect: () => new Promise(() => {}) });
new prom.Gauge({ name: 'peak', help: 'Peak.', aggregator: 'max' }).set(4);
new prom.Gauge({ name: 'plain', help: 'The library\'s default.' }).set(1);

async function main() {
  const begin = performance.now();
  const first = fedscrape.start({ ttl: Number(process.env.WORKER_TTL || 15) });
  const worker = await first;
  if (fedscrape.start({ job: 'other' }) !== first) throw new Error('the second start gives another worker');
  jobs.inc(3);
  console.log(JSON.stringify({ id: worker.serviceId, port: worker.port, took: performance.now() - begin }));
  ways[process.argv[2]](worker);
}

process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume().unref(); // the test is gone
main();
