#!/usr/bin/env python3
"""What a scrape costs a whole Python application: fedscrape beside client_python's multiprocess mode.

    app.py --fedscrape ./fedscrape [--workers 4,16,64] [--series 2000] [--rounds 15] [--section docs/performance-workers.md]

Each mode runs W processes with the same metrics, as gunicorn's workers are: forked from one that has imported the
library. Between two scrapes every value changes. The CPU of a scrape is what the kernel has counted for all of the
application's processes, and for the federator, from just before the GET until 50 ms after its answer; the driver's own,
and that of the changes, is in neither. Every page is checked: its counters must add up to what the workers have counted.

    helper        workers with examples/python/fedscrape_worker.py, `fedscrape serve` with a durable ledger
    library       the same, with the pages rendered by the library, without its _created series
    multiprocess  PROMETHEUS_MULTIPROC_DIR, in /dev/shm if there is one; one of the workers answers the scrape

Everything is on loopback; with --section the tables between the markers of that file are written anew. The library is
the one that python finds: PYTHONPATH chooses another.
"""
import argparse
import contextlib
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from urllib.request import urlopen

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, '..', '..', 'examples', 'python')
MARKS = '<!-- measured by bench/app/app.py -->', '<!-- end of measured -->'
MODES = 'helper', 'library', 'multiprocess'
SETTLE = 0.05  # seconds after an answer that still belong to its scrape: the ledger is synced in the background
BOUNDS = (.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10)


# In the application's processes.

def build(series, registry):
    """Some 40 % bucket lines, 35 % counters, 15 % gauges, 10 % summaries, as in the corpus of the other benchmarks."""
    from prometheus_client import Counter, Gauge, Histogram, Summary
    changes, labels = [], ['method', 'endpoint', 'status']
    for n in range(round(series / 499)):
        took = Histogram('app_%d_request_duration_seconds' % n, 'Time that requests took.', labels[:2], buckets=BOUNDS, registry=registry)
        requests = Counter('app_%d_requests' % n, 'Requests answered.', labels, registry=registry)
        depth = Gauge('app_%d_queue_depth' % n, 'Depth of the queue.', ['queue'], multiprocess_mode='livesum', registry=registry)
        size = Summary('app_%d_response_size_bytes' % n, 'Size of answers.', labels[:2], registry=registry)
        where = [(('GET', 'POST')[i % 2], '/api/v1/resource_%d' % (i // 2)) for i in range(34)]
        changes += [took.labels(*where[i]).observe for i in range(12)]
        changes += [counted(requests.labels(*where[i % 34], str(200 + i // 34))) for i in range(170)]
        changes += [depth.labels('queue_%d' % i).set for i in range(75)]
        changes += [size.labels(*where[i]).observe for i in range(25)]
    return changes


def counted(child):
    """A counter takes whole numbers, so that sums of any order are exact."""
    def inc(value):
        child.inc(int(value * 100))
        return int(value * 100)
    return inc


def change(changes, rnd):
    return sum(make(rnd.lognormvariate(-1, 1.5)) or 0 for make in changes)


def work(args, n, commands, answers):
    """A worker: changes its values for each line that it reads, and tells the sum of what its counters have gained."""
    from prometheus_client import REGISTRY
    rnd = random.Random(n)
    changes = build(args.series, REGISTRY)
    if args.run == 'multiprocess':
        where = serve_multiprocess() if n == 0 else ''
    else:
        sys.path.insert(0, EXAMPLES)
        import fedscrape_worker
        if args.run == 'library':
            fedscrape_worker._KINDS.clear()
        fedscrape_worker.start('app', instance='bench')
        where = ''
    answers.write('%s\n' % where)
    for _ in commands:
        answers.write('%d\n' % change(changes, rnd))


def serve_multiprocess():
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_):
            pass

    def app(_, start_response):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [generate_latest(registry)]

    server = make_server('127.0.0.1', 0, app, handler_class=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return 'http://127.0.0.1:%d/metrics' % server.server_port


def fleet(args):
    """The application's first process: forks the workers and stands between them and the driver, a line for all."""
    import prometheus_client  # noqa: F401  once, before the forks
    pids, pipes = [], []
    for n in range(args.count):
        (commands, to), (back, answers) = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            for pair in pipes:
                for end in pair:
                    end.close()
            os.close(to), os.close(back)
            work(args, n, os.fdopen(commands), os.fdopen(answers, 'w', 1))
            os._exit(0)  # without a goodbye: the federator ends next
        os.close(commands), os.close(answers)
        pids.append(pid)
        pipes.append((os.fdopen(to, 'w', 1), os.fdopen(back)))
    where = ''.join(back.readline().strip() for _, back in pipes)
    print(json.dumps({'pids': pids, 'url': where}), flush=True)
    for _ in sys.stdin:
        for to, _back in pipes:
            to.write('\n')
        print(sum(int(back.readline()) for _, back in pipes), flush=True)
    for to, _back in pipes:
        to.close()
    for pid in pids:
        os.waitpid(pid, 0)


def render(args):
    """What a sample costs in one process: the library and the helper by turns, all values changed before each page."""
    from prometheus_client import CollectorRegistry
    from prometheus_client import metrics as library
    from prometheus_client.exposition import choose_encoder
    sys.path.insert(0, EXAMPLES)
    import fedscrape_worker
    library._use_created = False
    registry, rnd = CollectorRegistry(), random.Random(1)
    changes = build(args.series, registry)
    encoder, _ = choose_encoder(fedscrape_worker.OPENMETRICS)
    renderer = fedscrape_worker._Renderer(registry, encoder, False)
    times = {'library': [], 'helper': []}
    for _ in range(41):
        for name, page in ('library', lambda: encoder(registry)), ('helper', renderer.page):
            change(changes, rnd)
            begin = time.thread_time()
            text = page()
            times[name].append(time.thread_time() - begin)
    samples = sum(not line.startswith(b'#') for line in text.splitlines())
    print(json.dumps({
        'samples': samples, 'cost': {name: statistics.median(t) / samples * 1e6 for name, t in times.items()},
        'wait': {'library': wait(lambda: encoder(registry)), 'helper': wait(renderer.page)},
    }))


def wait(page):
    """Milliseconds that a thread which wants to run waits for the interpreter while pages are rendered: median and 99 %."""
    late, stop = [], threading.Event()

    def other():
        while not stop.is_set():
            begin = time.perf_counter()
            time.sleep(0.001)
            late.append((time.perf_counter() - begin) * 1e3 - 1)

    thread = threading.Thread(target=other)
    thread.start()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        page()
    stop.set()
    thread.join()
    late.sort()
    return late[len(late) // 2], late[len(late) * 99 // 100]


# In the driver.

def cpu(pids):
    """CPU seconds of processes, all their threads, to the nanosecond: the clocks that clock_getcpuclockid(3) gives."""
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def free_port():
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        return sock.getsockname()[1]


def start_federator(args, folder):
    registry, web = '127.0.0.1:%d' % free_port(), '127.0.0.1:%d' % free_port()
    config = os.path.join(folder, 'fedscrape.yml')
    with open(config, 'w') as file:
        file.write('federate_configs:\n- job_name: app\n  consul_sd_configs: [{server: "%s", services: [app]}]\n' % registry)
    command = [args.fedscrape, 'serve', '--config.file=' + config, '--web.listen-address=' + web, '--log.level=error',
               '--registry.listen-address=' + registry, '--ledger.path=' + os.path.join(folder, 'ledger')]
    federator = subprocess.Popen(command)
    deadline = time.monotonic() + 30
    while True:
        try:
            urlopen('http://%s/-/ready' % web, timeout=5).read()
            return federator, registry, web
        except OSError:
            if time.monotonic() > deadline or federator.poll() is not None:
                end(federator)
                raise
            time.sleep(0.05)


def wait_for(url, text):
    deadline = time.monotonic() + 60
    while True:
        try:
            if text in urlopen(url, timeout=30).read():
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit('waited in vain for %s' % text.decode())
        time.sleep(0.1)


def end(process):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Mode:
    """One mode with its processes."""

    def __init__(self, args, mode, count, stack):
        shm = '/dev/shm' if mode == 'multiprocess' and os.path.isdir('/dev/shm') else None
        folder = tempfile.mkdtemp(prefix='fedscrape-bench-', dir=shm)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        environ = {k: v for k, v in os.environ.items() if not k.startswith(('FEDSCRAPE_', 'CONSUL_', 'PROMETHEUS_'))}
        environ.update(PYTHONDONTWRITEBYTECODE='1', TMPDIR=folder, PROMETHEUS_DISABLE_CREATED_SERIES='True')
        self.others, self.url = [], ''
        if mode == 'multiprocess':
            environ['PROMETHEUS_MULTIPROC_DIR'] = folder
        else:
            federator, registry, web = start_federator(args, folder)
            stack.callback(end, federator)
            environ.update(CONSUL_HTTP_ADDR=registry, FEDSCRAPE_URL='http://' + web)
            self.others, self.url = [federator.pid], 'http://%s/merged?job=app&instance=bench' % web
        command = [sys.executable, os.path.abspath(__file__), '--run', mode, '--count', str(count), '--series', str(args.series)]
        self.application = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(self.stop)
        hello = json.loads(self.application.stdout.readline())
        self.pids, self.url = hello['pids'], hello['url'] or self.url
        if self.others:
            wait_for(self.url, b'fedscrape_workers{state="up"} %d\n' % count)
        self.total, self.results = 0, []

    def stop(self):
        self.application.stdin.close()
        try:
            self.application.wait(60)
        except subprocess.TimeoutExpired:
            self.application.kill()
            self.application.wait()

    def scrape(self, n):
        self.application.stdin.write('\n')
        self.application.stdin.flush()
        self.total += int(self.application.stdout.readline())
        before, before_others, begin = cpu(self.pids), cpu(self.others), time.perf_counter()
        with urlopen(self.url, timeout=120) as answer:
            page = answer.read()
        took = time.perf_counter() - begin
        time.sleep(SETTLE)
        check(page, self.total, n)
        self.results.append((cpu(self.pids) - before, cpu(self.others) - before_others, took))

    def idle(self):
        before, begin = cpu(self.pids + self.others), time.perf_counter()
        time.sleep(5)
        return (cpu(self.pids + self.others) - before) / (time.perf_counter() - begin)

    def summary(self):
        counted = self.results[3:]
        workers, federator, took = (statistics.median(column) * 1e3 for column in zip(*counted))
        both = sorted((w + f) * 1e3 for w, f, _ in counted)
        return {'workers': workers, 'federator': federator, 'took': took, 'idle': self.idle() * 1e3,
                'cpu': statistics.median(both), 'least': both[0], 'most': both[-1]}


def measure(args, count):
    """Runs all modes with count workers, a scrape of each by turns, so that what else the machine does meets all."""
    with contextlib.ExitStack() as stack:
        modes = {name: Mode(args, name, count, stack) for name in MODES}
        for n in range(args.rounds + 3):
            for mode in modes.values():
                mode.scrape(n)
        return {name: mode.summary() for name, mode in modes.items()}


def check(page, total, n):
    got = sum(float(value) for value in re.findall(rb'(?m)^app_\d+_requests_total\{[^}]*\} (\S+)$', page))
    if got != total:
        raise SystemExit('scrape %d: the page has counted %d, the workers %d' % (n, got, total))


def machine(args):
    model = 'unknown CPU'
    with open('/proc/cpuinfo') as file:
        match = re.search(r'(?m)^model name\s*: (.*)$', file.read())
    if match:
        model = match.group(1)
    version = subprocess.run([args.fedscrape, '--version'], capture_output=True, text=True).stdout
    version = re.search(r'version=([^,]*)', version).group(1) or 'without a version'
    from importlib.metadata import version as installed
    import prometheus_client
    try:
        library = installed('prometheus_client')
    except ImportError:
        library = prometheus_client.__file__
    return '%d x %s, Linux %s; CPython %s, prometheus_client %s, fedscrape %s; load average before the run %.1f' % (
        os.cpu_count(), model, platform.release(), platform.python_version(), library, version, os.getloadavg()[0])


def table(args):
    lines = ['Machine: ' + machine(args) + '.', '']
    one = json.loads(subprocess.check_output([sys.executable, os.path.abspath(__file__), '--run', 'render', '--series', str(args.series)]))
    lines += ['| rendering %d samples, all changed | CPU a sample, us | another thread waits, ms: median / 99 %% |' % one['samples'], '| --- | --- | --- |']
    lines += ['| %s | %.2f | %.1f / %.1f |' % (name, one['cost'][name], *one['wait'][name]) for name in ('library', 'helper')]
    lines += ['', 'The library takes %.1f times what the helper does.' % (one['cost']['library'] / one['cost']['helper']), '']
    lines += ['| workers | mode | CPU a scrape, ms: least / median / most | of it workers | of it federator | multiprocess = 1 | answer after, ms | between scrapes, CPU ms/s |',
              '| --- | --- | --- | --- | --- | --- | --- | --- |']
    for count in args.workers:
        results = measure(args, count)
        for mode, r in results.items():
            lines.append('| %d | %s | %.1f / **%.1f** / %.1f | %.1f | %.1f | %.2f | %.1f | %.1f |' % (
                count, mode, r['least'], r['cpu'], r['most'], r['workers'], r['federator'], r['cpu'] / results['multiprocess']['cpu'],
                r['took'], r['idle']))
            print(lines[-1], file=sys.stderr)
    return '\n'.join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--fedscrape', default='./fedscrape', help='the binary')
    parser.add_argument('--workers', default='4,16,64', type=lambda text: [int(n) for n in text.split(',')])
    parser.add_argument('--series', default=2000, type=int, help='of each worker')
    parser.add_argument('--rounds', default=15, type=int, help='scrapes that count')
    parser.add_argument('--section', help='the file whose tables are written')
    parser.add_argument('--run', choices=MODES + ('render',), help=argparse.SUPPRESS)
    parser.add_argument('--count', type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        return render(args) if args.run == 'render' else fleet(args)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an end that ends what was started
    text = table(args)
    print(text)
    if args.section:
        with open(args.section) as file:
            before, _, rest = file.read().partition(MARKS[0])
        with open(args.section, 'w') as file:
            file.write(before + MARKS[0] + '\n\n' + text + '\n\n' + MARKS[1] + rest.partition(MARKS[1])[2])


if __name__ == '__main__':
    main()
