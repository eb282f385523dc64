'use strict';
// A cluster of workers behind one port; each counts for itself, and fedscrape makes one instance of them.
const cluster = require('cluster');
const http = require('http');
const prom = require('prom-client');
const fedscrape = require('./fedscrape_worker');

const WORKERS = Number(process.env.WORKERS || 4);
const PORT = Number(process.env.PORT || 8000);

function primary() {
  let stopping = false;
  for (let i = 0; i < WORKERS; i++) cluster.fork();
  cluster.on('exit', () => { if (!stopping) cluster.fork(); });
  // kubectl, systemd and Ctrl-C: disconnect ends each worker when its last request is answered.
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      stopping = true;
      cluster.disconnect();
    });
  }
}

async function worker() {
  prom.collectDefaultMetrics();
  const requests = new prom.Counter({ name: 'http_requests_total', help: 'Requests answered.', labelNames: ['path', 'code'] });
  const latency = new prom.Histogram({
    name: 'http_request_duration_seconds', help: 'Time until the response was ready.', labelNames: ['path'],
  });
  const inProgress = new prom.Gauge({ name: 'http_requests_in_progress', help: 'Requests in progress.' });

  const server = http.createServer((req, res) => {
    inProgress.inc();
    const done = latency.startTimer();
    const path = req.url === '/fire' ? '/fire' : 'other'; // paths have no end
    res.on('close', () => inProgress.dec());
    // Count before the response is complete, so that a client that has its answer is counted.
    done({ path });
    requests.inc({ path, code: 200 });
    res.end(`${process.pid}\n`);
  });
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => cluster.worker.disconnect());
  await fedscrape.start({ job: 'webapp' });
  server.listen(PORT, '127.0.0.1');
}

if (cluster.isPrimary) primary();
else worker();
