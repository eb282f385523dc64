"""Make this process a fedscrape worker: serve its metrics, register them in Consul, say goodbye at exit.

Copy this file beside your application; it needs prometheus_client and nothing else. Call it in each worker
process, after the fork:

    gunicorn   def post_worker_init(worker): fedscrape_worker.start("webapp")          # gunicorn.conf.py
    Celery     worker_process_init.connect(lambda **_: fedscrape_worker.start("tasks"), weak=False)
               worker_process_shutdown.connect(lambda **_: fedscrape_worker.start("tasks").close(), weak=False)
               (its pool processes end by os._exit, which runs no atexit; start() gives the worker there is)
    uWSGI      uwsgidecorators.postfork(lambda: fedscrape_worker.start("webapp")), with enable-threads = true
    a script   fedscrape_worker.start("nightly")

Settings come from CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_HTTP_SSL, CONSUL_CACERT, FEDSCRAPE_URL (the federator;
unset: no final snapshot), FEDSCRAPE_JOB, FEDSCRAPE_INSTANCE, FEDSCRAPE_WORKER_ID, FEDSCRAPE_ADDRESS,
FEDSCRAPE_CREATED=1 (show the library's _created series, which are left out otherwise) and FEDSCRAPE_DISABLE=1;
arguments of start() beat them. Unix sockets (CONSUL_HTTP_ADDR=unix://) are not supported.

The page is the one that the library gives, for a tenth of its cost: the text of each series is kept (some 250 bytes),
only numbers are written anew, and after every thousand of them other threads have their turn. Collectors of your own,
subclasses of the library's metrics and Info are rendered by the library itself.

Whatever Consul and the federator do, start() and the exit of the process wait for them one second at most, and
nothing is raised: trouble goes to the logger "fedscrape_worker". A process that dies by a signal without a handler,
or by os._exit, says no goodbye: what it counted since the last scrape is lost.
"""
import atexit
import base64
import copy
import gzip
import hashlib
import json
import logging
import operator
import os
import re
import socket
import stat
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from itertools import accumulate, groupby, islice
from urllib.parse import quote, unquote, urlencode, urlsplit

from prometheus_client import PROCESS_COLLECTOR, REGISTRY, CollectorRegistry, Counter, Enum, Gauge, Histogram, Summary
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString
from prometheus_client.values import MutexValue

try:
    import fcntl
except ImportError:  # not Unix: without file locks, worker_id is the service ID
    fcntl = None

TTL = 15.0  # seconds of the check; a heartbeat goes out every third of it
BUDGET = 1.0  # seconds that start(), and the exit, wait at most
FINAL_SHARE = 0.6  # of the budget: what the federator may take of it before the agent has its turn
MAX_CONNECTIONS = 16
SLICE = 1000  # samples that are rendered before other threads have their turn: some 0.3 ms
OPENMETRICS = 'application/openmetrics-text; version=1.0.0'

log = logging.getLogger('fedscrape_worker')
_lock = threading.Lock()
_rendering = threading.RLock()  # held over a fork, so that no child inherits a metric's lock that nobody will release
_fork = threading.local()
_current = None


def start(job=None, *, instance=None, port=0, address=None, worker_id=None, registry=REGISTRY, created=None):
    """Serve and register this process; called again in the same process, give the worker there is."""
    global _current
    with _lock:
        if _current is None or _current.pid != os.getpid():
            _current = Worker(registry, created)
            try:
                _current._start(job, instance, port, address, worker_id)
            except Exception as err:
                log.error('this process is no worker: %s', err, exc_info=not isinstance(err, ValueError))
        return _current


class Worker:
    """One process and its registration. In a child of that process it does nothing."""

    def __init__(self, registry, created=None):
        self.pid = os.getpid()
        self.service_id = ''
        self.port = 0
        self.start_time = _start_time()
        self._registry = registry
        self._created = os.environ.get('FEDSCRAPE_CREATED') == '1' if created is None else created
        self._renderers = {}  # by content type
        self._server = self._thread = self._socket = self._slot = self._trouble = None
        self._attempted = self._registered = self._beating = False
        self._tried, self._stop, self._gone = threading.Event(), threading.Event(), threading.Lock()
        self._deadline = 0.0
        self._problems = []

    def close(self):
        """Hand in the final snapshot and deregister, within one second. The process is no worker any more then."""
        if self.pid != os.getpid() or self._thread is None:
            return
        if not self._deadline:
            self._deadline = time.monotonic() + BUDGET
            self._stop.set()
            self._wait(BUDGET / 5)
            if self._beating:  # an agent that hangs must not cost the final snapshot
                _shut(self._socket)
        self._wait(self._deadline - time.monotonic())
        problems, self._problems = self._problems, []
        for problem in problems:
            log.warning(problem)

    def _wait(self, seconds):
        # Not join(): interrupted by a signal handler that raises, it takes the thread for ended ever after.
        if self._gone.acquire(timeout=max(0.0, seconds)):
            self._gone.release()

    def _start(self, job, instance, port, address, worker_id):
        env = os.environ.get
        if env('FEDSCRAPE_DISABLE') == '1':
            return
        self._job = job or env('FEDSCRAPE_JOB')
        if not self._job:
            raise ValueError('no job: give start() one, or set FEDSCRAPE_JOB')
        if env('PROMETHEUS_MULTIPROC_DIR') or env('prometheus_multiproc_dir'):
            log.warning('PROMETHEUS_MULTIPROC_DIR is set: unset it; its files outlive the process, and a process that '
                        'gets the pid of a dead one goes on with the counters of that one')
        host = socket.gethostname()
        self._instance = instance or env('FEDSCRAPE_INSTANCE') or host
        self.service_id = '%s-%s-%d-%s' % (self._job, host, self.pid, os.urandom(4).hex())
        self._worker_id = worker_id if worker_id is not None else env('FEDSCRAPE_WORKER_ID')
        self._address, self._wanted_port = address or env('FEDSCRAPE_ADDRESS'), port
        self._agent = _agent_url(env('CONSUL_HTTP_ADDR'), env('CONSUL_HTTP_SSL', '').lower() in ('1', 'true'))
        self._federator = urlsplit(env('FEDSCRAPE_URL')) if env('FEDSCRAPE_URL') else None
        self._gone.acquire()
        self._thread = threading.Thread(target=self._run, name='fedscrape', daemon=True)
        _at_exit_call(self)  # first: a signal handler may raise here
        self._thread.start()
        self._tried.wait(BUDGET)

    # All below runs in the thread: a signal handler that raises, as gunicorn's do, can interrupt only the main one.

    def _run(self):
        wait = 0.0
        while not self._stop.wait(wait):
            self._beating = True
            wait = self._beat()
            self._beating = False
            self._tried.set()
        self._goodbye()
        self._gone.release()

    def _beat(self):
        try:
            if self._server is None:
                self._serve()
            if self._registered:
                status = self._call_agent('check/pass/service:' + quote(self.service_id, safe=''), allow=404)
                self._registered = status != 404
            if not self._registered:
                self._attempted = True
                self._call_agent('service/register', self._registration())
                self._registered = True
            trouble = None
        except Exception as err:
            trouble = str(err) or repr(err)
        if trouble != self._trouble and not self._stop.is_set():
            self._trouble = trouble
            log.warning(trouble or 'registered again')
        return TTL / 3 if self._registered else min(1.0, TTL / 3)

    def _goodbye(self):
        try:
            if self._federator:
                self._hand_in(self._deadline - BUDGET * (1 - FINAL_SHARE))
        except Exception as err:
            self._problems.append('hand in the final snapshot: %s' % err)
        try:
            if self._attempted:
                path = 'service/deregister/' + quote(self.service_id, safe='')
                self._call_agent(path, deadline=self._deadline, allow=404)
        except Exception as err:
            self._problems.append('deregister: %s' % err)
        if self._server:
            self._server.close()
        if self._slot is not None:
            os.close(self._slot)
            self._slot = None

    def _serve(self):
        address = self._address
        if address in ('0.0.0.0', '::'):
            log.warning('address %s is the wildcard: the address of the route to the agent is taken', address)
            address = None
        if not address:
            address = _route(self._agent.hostname, self._agent.port or 80)
        if self._worker_id is None and self._slot is None:
            self._worker_id, self._slot = _take_slot(self._job, self._instance, self.service_id)
        try:
            self._server = _Server(self, address, self._wanted_port)
        except OSError as err:
            raise OSError('serve the metrics at %s:%d: %s' % (address, self._wanted_port, err))
        self._registered_address, self.port = self._server.socket.getsockname()[:2]

    def _registration(self):
        return {
            'Name': self._job, 'ID': self.service_id, 'Address': self._registered_address, 'Port': self.port,
            'Tags': ['fedscrape'],
            'Meta': {
                'instance': self._instance, 'worker_id': str(self._worker_id), 'pid': str(self.pid),
                'start_time': repr(self.start_time), 'metrics_path': '/metrics', 'scheme': 'http',
            },
            'Check': {'TTL': '%gs' % TTL, 'Status': 'passing', 'DeregisterCriticalServiceAfter': '1m'},
        }

    def _call_agent(self, path, body=None, deadline=None, allow=200):
        headers = {'Content-Type': 'application/json'}
        if os.environ.get('CONSUL_HTTP_TOKEN'):
            headers['X-Consul-Token'] = os.environ['CONSUL_HTTP_TOKEN']
        deadline = deadline or time.monotonic() + max(BUDGET, TTL / 3)
        body = json.dumps(body).encode() if body else b''
        return self._put(self._agent, '/v1/agent/' + path, body, headers, deadline, allow)

    def _hand_in(self, deadline):
        page, content_type = self._page(OPENMETRICS, deadline, hurry=True)  # threads that compute take 5 ms a turn
        path = '/api/v1/final?' + urlencode({'job': self._job, 'instance': self._instance})
        headers = {'Content-Type': content_type, 'X-Fedscrape-Worker': self.service_id,
                   'X-Fedscrape-Start': repr(self.start_time)}
        while not self._taken(path, page, headers, deadline):
            time.sleep(0.1)

    def _taken(self, path, page, headers, deadline):
        """False where the federator may answer in a moment: it is being restarted, or is not ready yet."""
        try:
            return self._put(self._federator, path, page, headers, deadline, allow=503) != 503
        except ConnectionError:
            if deadline - time.monotonic() < 0.15:
                raise
            return False

    def _page(self, accept, deadline, hurry=False):
        if not _rendering.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise RuntimeError('another page is still being rendered')
        try:
            encoder, content_type = choose_encoder(_without_drafts(accept))
            if content_type not in self._renderers:
                while len(self._renderers) > 1:  # OpenMetrics and text; newer libraries know more, on demand
                    del self._renderers[next(iter(self._renderers))]
                self._renderers[content_type] = _Renderer(self._registry, encoder, self._created)
            return self._renderers[content_type].page(hurry), content_type
        finally:
            _rendering.release()

    def _put(self, url, path, body, headers, deadline, allow):
        """PUT, with one deadline for the whole, which the library's timeouts, each for one step, do not give."""
        headers = dict(headers, Host=url.netloc.rpartition('@')[2], Connection='close')
        headers['Content-Length'] = str(len(body))
        if url.username:
            user = '%s:%s' % (unquote(url.username), unquote(url.password or ''))
            headers['Authorization'] = 'Basic ' + base64.b64encode(user.encode()).decode()
        lines = ['PUT %s%s HTTP/1.1' % (url.path.rstrip('/'), path)] + ['%s: %s' % h for h in headers.items()]
        where = '%s:%s%s' % (url.hostname, url.port, path.partition('?')[0])
        try:
            with self._connect(url, deadline) as sock:
                sock.sendall('\r\n'.join(lines + ['', '']).encode() + body)
                status, text = _read_answer(sock, deadline)
        except OSError as err:
            kind = ConnectionError if isinstance(err, ConnectionError) else OSError
            raise kind('%s: %s' % (where, err))
        if status >= 300 and status != allow:
            raise OSError('%s answers %d: %s' % (where, status, text))
        return status

    def _connect(self, url, deadline):
        error = OSError('no address')
        port = url.port or (443 if url.scheme == 'https' else 80)
        for family, kind, proto, _, addr in socket.getaddrinfo(url.hostname, port, type=socket.SOCK_STREAM):
            sock = self._socket = socket.socket(family, kind, proto)
            try:
                if self._beating and self._stop.is_set():
                    raise OSError('the worker is closing')
                sock.settimeout(_left(deadline))
                sock.connect(addr)
                if url.scheme == 'https':
                    sock = self._socket = _secure(sock, url.hostname)
                return sock
            except OSError as err:
                sock.close()
                error = err
        raise error

    def _abandon(self):
        """In a child after the fork: close what it inherited, without touching what the parent goes on using."""
        if self._server:
            for sock in [self._server.socket] + list(self._server.connections):
                os.close(sock.detach())  # close() would wait for files made from the socket
        if self._slot is not None:
            os.close(self._slot)  # not LOCK_UN: the lock is shared, and the parent's
        _zero(self._registry)


class _Server:
    """A thread for each connection, as many as MAX_CONNECTIONS: one more costs the oldest, slow readers included."""

    def __init__(self, worker, address, port):
        self.worker = worker
        family, kind, proto, _, addr = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        self.connections = {}  # the oldest first
        self.room = threading.Semaphore(MAX_CONNECTIONS)
        self.socket = socket.socket(family, kind, proto)
        try:
            if port:  # a successor may bind it although connections of the last one are in TIME_WAIT
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind(addr)
            self.socket.listen(128)
        except OSError:
            self.socket.close()
            raise
        self.closed = False
        threading.Thread(target=self._accept, name='fedscrape-accept', daemon=True).start()

    def close(self):
        self.closed = True
        _shut(self.socket)
        self.socket.close()
        for conn in list(self.connections):
            _shut(conn)

    def _accept(self):
        while not self.closed:
            try:
                conn, peer = self.socket.accept()
            except OSError:
                time.sleep(0.1)  # closed, or the process is out of file descriptors
                continue
            if not self._make_room():  # all threads hang in a collector
                conn.close()
                continue
            self.connections[conn] = None
            try:
                threading.Thread(target=self._handle, args=(conn, peer), daemon=True).start()
            except RuntimeError:  # the process has no more threads, or is exiting
                self._end(conn)

    def _make_room(self):
        if self.room.acquire(blocking=False):
            return True
        for conn in list(self.connections):
            _shut(conn)
            if self.room.acquire(timeout=0.1):
                return True
        return False

    def _handle(self, conn, peer):
        try:
            _Handler(conn, peer, self)
        except Exception:  # the reader is gone
            pass
        finally:
            self._end(conn)

    def _end(self, conn):
        del self.connections[conn]
        _shut(conn)
        conn.close()
        self.room.release()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    server_version, sys_version = 'fedscrape_worker', ''
    disable_nagle_algorithm = True
    timeout = 120  # idle, between requests; above Prometheus' usual interval
    write_timeout = 10  # for one answer as a whole

    def do_GET(self):
        if self.path.partition('?')[0] != '/metrics':
            return self._answer(404, b'see /metrics\n')
        try:
            body, content_type = self.server.worker._page(self.headers.get('Accept'), time.monotonic() + 10)
        except Exception as err:
            return self._answer(500, ('render the page: %s\n' % err).encode())
        headers = {'Content-Type': content_type, 'Vary': 'Accept, Accept-Encoding'}
        if 'gzip' in (self.headers.get('Accept-Encoding') or ''):
            body = gzip.compress(body, 1)
            headers['Content-Encoding'] = 'gzip'
        return self._answer(200, body, headers)

    do_HEAD = do_GET

    def _answer(self, status, body, headers=None):
        self.connection.settimeout(self.write_timeout)
        self.send_response(status)
        for header in (headers or {'Content-Type': 'text/plain; charset=utf-8'}).items():
            self.send_header(*header)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)
        self.connection.settimeout(self.timeout)

    def end_headers(self):
        self.send_header('X-Fedscrape-Worker', self.server.worker.service_id)
        self.send_header('X-Fedscrape-Start', repr(self.server.worker.start_time))
        super().end_headers()

    def log_message(self, format, *args):
        pass


class _Renderer:
    """Renders a registry in one format: what the library's encoder would write, and the modes of the gauges."""

    def __init__(self, registry, encoder, created):
        self._registry, self._encoder, self._created = registry, encoder, created
        self._end = encoder(_Families([]))
        self._collectors, self._runs = [], []
        self._modes, self._hints = [], b''
        self._samples = 0  # since others had their turn

    def page(self, hurry=False):
        """Its parts begin with the end of the line before, and have none of their own."""
        registry, parts, self._samples = self._registry, [], -sys.maxsize if hurry else 0
        collectors = [registry]
        if getattr(type(registry), 'collect', None) is CollectorRegistry.collect:
            with registry._lock:
                collectors = list(registry._collector_to_names)
            if registry.get_target_info():
                parts += self._rendered(registry.restricted_registry(['target_info']))
        if len(collectors) != len(self._collectors) or not all(map(operator.is_, collectors, self._collectors)):
            self._arrange(collectors)
        for run in self._runs:
            parts += self._parts(run)
        parts += self._gauge_modes()
        return b''.join([parts[0][1:], *parts[1:], b'\n', self._end]) if parts else self._end

    def _arrange(self, collectors):
        """Metrics without labels have few lines each: those that follow each other are rendered as one."""
        runs = []
        for collector in collectors:
            known = type(collector) in _KINDS and not collector._labelvalues
            single = known and not collector._labelnames
            if single and runs and runs[-1].single:
                runs[-1].collectors.append(collector)
            else:
                runs.append(_Run([collector], known, single))
        old = {tuple(map(id, run.collectors)): run for run in self._runs}
        self._runs = [old.get(tuple(map(id, run.collectors)), run) for run in runs]
        self._collectors = collectors

    def _parts(self, run):
        if run.known:
            try:
                run.kept = run.kept or _Kept(run, self._text, self._created, bool(self._end))
                return run.kept.parts(self._take_turns)
            except Exception as err:  # insides that are not as known, or a gauge's function: let the library do it
                log.info('render %s as the library does: %r', ', '.join(map(str, run.collectors)), err)
                run.known, run.kept = False, None
                if len(run.collectors) > 1:
                    run.split = [_Run([collector], True, True) for collector in run.collectors]
        if run.split:
            return [part for one in run.split for part in self._parts(one)]
        return self._rendered(run.collectors[0])

    def _rendered(self, collector):
        self._take_turns(0)
        text = self._text(self._families(collector))
        self._samples += text.count(b'\n')
        return [b'\n' + text[:-1]] if text else []

    def _take_turns(self, samples):
        """Called before so many are rendered, without any lock of the library: others have their turn then."""
        if self._samples + samples > SLICE:
            self._samples = 0
            time.sleep(0)
        self._samples += samples

    def _families(self, collector):
        if self._created or not isinstance(collector, (Counter, Histogram, Summary)):
            return collector
        families = [copy.copy(family) for family in collector.collect()]
        for family in families:
            family.samples = [s for s in family.samples if s.name != family.name + '_created']
        return _Families(families)

    def _text(self, families):
        text = self._encoder(families)
        return text[:len(text) - len(self._end)]

    def _gauge_modes(self):
        """Of each gauge that has a mode of its own and not just the library's default."""
        collectors = list(getattr(self._registry, '_collector_to_names', ()))
        modes = [[gauge._name, gauge._multiprocess_mode] for gauge in collectors
                 if isinstance(gauge, Gauge) and getattr(gauge, '_multiprocess_mode', 'all') != 'all']
        if modes != self._modes:
            family = GaugeMetricFamily('fedscrape_gauge_mode', 'How the gauges of several workers become one.',
                                       labels=['metric', 'mode'])
            for mode in modes:
                family.add_metric(mode, 1)
            self._modes, self._hints = modes, b'\n' + self._text(_Families([family]))[:-1]
        return [self._hints] if modes else []


class _Families:
    """As much of a registry as an encoder wants."""

    def __init__(self, families):
        self._families = families

    def collect(self):
        return self._families


class _Run:
    """Collectors that follow each other and are rendered as one: metrics without labels, or else one."""

    def __init__(self, collectors, known, single):
        self.collectors, self.known, self.single = collectors, known, single
        self.kept = None
        self.split = []


class _Kept:
    """A run's text, which the library has written once for each child, and its numbers."""

    def __init__(self, run, text, created, exemplars):
        self._text, self._created, self._exemplars = text, created, exemplars
        self._metric = None if run.single else run.collectors[0]  # the one with labels
        self._header = text(_Families(self._metric.describe())) if self._metric else b''
        self._learned = {}  # by child: the names of its samples, and what stands before each of its numbers
        self._run, self._children, self._chunks = run.collectors, [], []

    def parts(self, take_turns):
        children = self._run
        if self._metric:
            with self._metric._lock:
                children = list(self._metric._metrics.values())
        if children != self._children:
            self._arrange(children, take_turns)
        parts = [b'\n' + self._header[:-1]] if self._header else []
        for chunk in self._chunks:
            take_turns(chunk.samples)
            parts.append(chunk.text())
        return parts

    def _arrange(self, children, take_turns):
        """Children have come or gone. Those that come are the last, so that mostly only the last chunk changes."""
        self._children = ()
        new = [child for child in children if child not in self._learned]
        size = 200 // len(_KINDS[type(new[0])][0](new[0])) or 1 if new else 1  # the library takes 1 ms for these
        for i in range(0, len(new), size):
            take_turns(SLICE)
            self._learn(new[i:i + size])
        if len(self._learned) > len(children):
            self._learned = {child: self._learned[child] for child in children}
        samples = sum(len(names) for names, _ in self._learned.values())
        size = len(children) * SLICE // samples or 1 if samples else 1
        chunks = []
        for part in (children[i:i + size] for i in range(0, len(children), size)):
            kept = self._chunks[len(chunks)] if len(chunks) < len(self._chunks) else None
            chunks.append(kept if kept and kept.children == part else _Chunk(part, self._learned, self._exemplars))
        self._children, self._chunks = children, chunks

    def _learn(self, children):
        """Has the library write some children, with 0, 1, 2, ... as values, and keeps what stands before these."""
        families, names, count = [], [], 0
        for child in children:
            metric = self._metric or child
            if metric is child or not families:
                families += metric.describe()
            names.append([])
            for name, labels in self._samples(child):
                labels = dict(zip(metric._labelnames, child._labelvalues), **labels)
                families[-1].add_sample(metric._name + name, labels, float(count))
                names[-1].append(name)
                count += 1
        before = self._before(self._text(_Families(families)))
        if len(before) != count:
            raise ValueError('its lines are not those of its samples')
        lines = iter(before)
        for child, own in zip(children, names):
            self._learned[child] = tuple(own), list(islice(lines, len(own)))

    def _before(self, text):
        if not text.startswith(self._header):
            raise ValueError('its header changes')
        before, comments = [], ''
        for line in text[len(self._header):].decode().split('\n')[:-1]:
            number = ' %d.0' % len(before)
            if line.startswith('#') and not self._metric:
                comments += '\n' + line
            elif line.endswith(number) and not line.startswith('#'):
                before.append(comments + '\n' + line[:1 - len(number)])
                comments = ''
            else:
                raise ValueError('its lines are not in the order of its samples')
        return before

    def _samples(self, child):
        """The names' ends and own labels of a child's samples, in the library's order: it must be that of reading."""
        cells = _KINDS[type(child)][0](child)
        if any(type(value) is not MutexValue for _, value in cells if value is not None):
            raise ValueError('its values are not those of this process')
        if type(child) is Gauge:
            return [('', {})]  # not asked: the value may come from a function
        samples = [(s.name, s.labels) for s in child._child_samples() if self._created or s.name != '_created']
        names = [name for name, _ in samples if name != '_created']
        if names != [name for name, _ in cells] or any(name == '_created' for name, _ in samples[:-1]):
            raise ValueError('its samples are not those known')
        return samples


class _Chunk:
    """As many children as are rendered in one go."""

    def __init__(self, children, learned, exemplars):
        self.children = children
        self._parts = [part for child in children for line in learned[child][1] for part in (line, '')]
        self._blanks = self._parts[1::2]
        self.samples = len(self._blanks)
        self._groups, self._tails, first = [], {}, 0
        for (kind, names), group in groupby(children, lambda child: (type(child), learned[child][0])):
            group = list(group)
            _, read, read_exemplars = _KINDS[kind]
            if names[-1] == '_created':
                read = _and_created(read)
            self._groups.append((group, read, read_exemplars if exemplars else None, first, len(names)))
            first += len(group) * len(names)

    def text(self):
        values, tails = [], []
        for group, read, read_exemplars, first, samples in self._groups:
            values += read(group)
            if read_exemplars:
                exemplars = read_exemplars(group)
                if any(exemplars):
                    tails += self._exemplar_texts(exemplars, first, samples, len(exemplars) // len(group))
        try:
            numbers = [_repr(value) if -1e6 < value < 1e6 else _large(value) for value in values]
        except TypeError:  # an integer, or a number of another library
            numbers = [floatToGoString(value) for value in values]
        for i, tail in tails:
            numbers[i] += tail
        self._parts[1::2] = numbers  # ValueError if they are more or less than lines
        text = ''.join(self._parts).encode()
        self._parts[1::2] = self._blanks
        return text

    def _exemplar_texts(self, exemplars, first, samples, per_child):
        """A child's exemplars are those of its first samples."""
        for i, exemplar in enumerate(exemplars):
            if exemplar:
                i = first + i // per_child * samples + i % per_child
                old, tail = self._tails.get(i, (None, ''))
                if old is not exemplar:
                    tail = _exemplar_text(exemplar)
                    self._tails[i] = exemplar, tail
                yield i, tail


# Of the library's insides no more than this is known: where each type has its values. They are read as one attribute,
# which needs no lock, by way of the child, because its values are made anew where it is initialized again.

_repr = float.__repr__  # of subclasses too


def _large(value):
    """floatToGoString, in half the time."""
    text = _repr(value)
    dot = text.find('.')
    if value < 0 or dot < 7:
        return floatToGoString(value)
    return '%se+0%d' % ((text[0] + '.' + text[1:dot] + text[dot + 1:]).rstrip('0.'), dot - 1)


def _histogram_cells(child):
    cells = [('_bucket', value) for value in child._buckets] + [('_count', None)]
    return cells + [('_sum', child._sum)] if child._upper_bounds[0] >= 0 else cells


def _gauges(children):
    stored = Gauge._child_samples  # set_function() gives the child one of its own
    return [c._value._value if c._child_samples.__func__ is stored else c._child_samples()[0].value for c in children]


def _histograms(children):
    values = []
    for child in children:
        values += accumulate([bucket._value for bucket in child._buckets])
        values.append(values[-1])
        if child._upper_bounds[0] >= 0:
            values.append(child._sum._value)
    return values


def _enums(children):
    return [float(i == on) for states, on in [(c._states, c._value) for c in children] for i in range(len(states))]


def _and_created(read):
    return lambda children: [value for child in children for value in (*read((child,)), child._created)]


_KINDS = {  # the names and cells of a child's samples, how to read the values and the exemplars of some children
    Counter: (lambda child: [('_total', child._value)], lambda children: [c._value._value for c in children],
              lambda children: [c._value._exemplar for c in children]),
    Gauge: (lambda child: [('', child._value)], _gauges, None),
    Summary: (lambda child: [('_count', child._count), ('_sum', child._sum)],
              lambda children: [value for c in children for value in (c._count._value, c._sum._value)], None),
    Histogram: (_histogram_cells, _histograms,
                lambda children: [value._exemplar for c in children for value in c._buckets]),
    Enum: (lambda child: [('', None)] * len(child._states), _enums, None),
}


def _exemplar_text(exemplar):
    labels = ','.join('%s="%s"' % (name, value.replace('\\', r'\\').replace('\n', r'\n').replace('"', r'\"'))
                      for name, value in sorted(exemplar.labels.items()))
    time_text = '' if exemplar.timestamp is None else ' %s' % exemplar.timestamp
    return ' # {%s} %s%s' % (labels, floatToGoString(exemplar.value), time_text)


def _zero(registry):
    """What a child inherited of a worker's counts is counted by that worker already."""
    for metric in list(getattr(registry, '_collector_to_names', ())):
        if not isinstance(metric, (Counter, Histogram, Summary)):
            continue
        for child in [metric] + list(getattr(metric, '_metrics', {}).values()):
            values = [getattr(child, name, None) for name in ('_value', '_sum', '_count')]
            for value in values + list(getattr(child, '_buckets', ())):
                if value is not None and not value._multiprocess:  # the library's multiprocess mode does it itself
                    value._value, value._exemplar = 0.0, None
            if hasattr(child, '_created'):
                child._created = time.time()


def _start_time():
    for family in PROCESS_COLLECTOR.collect():  # what the page says, so that the federator sees one life
        if family.name == 'process_start_time_seconds':
            return family.samples[0].value
    return time.time()


def _without_drafts(accept):
    """Newer libraries answer OpenMetrics 2.0.0, which is a draft, where it is asked for."""
    return ','.join(part for part in (accept or '').split(',')
                    if not re.search(r'openmetrics-text.*;\s*version\s*=\s*"?[2-9]', part))


def _agent_url(addr, tls):
    addr = addr or '127.0.0.1:8500'
    if addr.startswith('unix:'):
        raise ValueError('CONSUL_HTTP_ADDR %s: unix sockets are not supported, give host:port' % addr)
    if '://' not in addr:
        addr = ('https://' if tls else 'http://') + addr
    return urlsplit(addr)


def _route(host, port):
    """The local address of the route to the agent; connecting a datagram socket sends nothing."""
    family, kind, proto, _, addr = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, proto) as sock:
        sock.connect(addr)
        return sock.getsockname()[0]


def _secure(sock, host):
    import ssl  # costs 10 ms, and most agents are on loopback
    context = ssl.create_default_context(cafile=os.environ.get('CONSUL_CACERT') or None)
    return context.wrap_socket(sock, server_hostname=host)


def _read_answer(sock, deadline):
    answer = b''
    while len(answer) < 4096:
        match = re.match(rb'HTTP/1\.[01] (\d{3})[^\n]*\n', answer)
        if match and int(match.group(1)) < 300:
            break
        sock.settimeout(_left(deadline))
        chunk = sock.recv(4096)
        if not chunk:
            break
        answer += chunk
    match = re.match(rb'HTTP/1\.[01] (\d{3})', answer)
    if not match:
        raise (OSError if answer else ConnectionError)('no HTTP answer: %r' % answer[:40])
    return int(match.group(1)), answer.partition(b'\r\n\r\n')[2][:200].decode('utf-8', 'replace').strip()


def _left(deadline):
    left = deadline - time.monotonic()
    if left <= 0:
        raise OSError('timed out')
    return left


def _shut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits on it, as close() would not
    except (OSError, AttributeError):
        pass


def _take_slot(job, instance, otherwise):
    """The lowest free number among the instance's workers on this host, held by a file lock for as long as we live."""
    try:
        folder = os.path.join(os.environ.get('TMPDIR') or '/tmp', 'fedscrape-%d' % os.geteuid())
        _make_private(folder)
        folder = os.path.join(folder, _file_name(job) + '@' + _file_name(instance))
        os.makedirs(folder, 0o700, exist_ok=True)
        for slot in range(1 << 16):
            fd = os.open(os.path.join(folder, '%d.lock' % slot), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return str(slot), fd
            except BlockingIOError:
                os.close(fd)
    except (OSError, AttributeError) as err:
        log.warning('take a slot: %s; worker_id is the service ID', err)
    return otherwise, None


def _make_private(folder):
    """Others can write to the parent: a symlink or a folder of theirs in its place is not used."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    info = os.lstat(folder)
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
        raise OSError('%s is not a folder of this user alone: remove it' % folder)


def _file_name(text):
    """As the Go package worker writes it, so that workers of both kinds share the slots of an instance."""
    name = re.sub(rb'[^A-Za-z0-9._-]', lambda m: b'%%%02X' % m.group()[0], text.encode()).decode()
    return name if len(name) <= 100 else name[:64] + hashlib.sha256(text.encode()).hexdigest()[:32]


def _at_exit_call(worker):
    atexit.register(_at_exit, worker)
    for name in ('multiprocessing.util', 'billiard.util'):  # their children end by os._exit, after these
        if name in sys.modules:
            sys.modules[name].Finalize(None, _at_exit, args=(worker,), exitpriority=-100)


def _at_exit(worker):
    limit = time.monotonic() + 2 * BUDGET
    while time.monotonic() < limit:
        try:
            return worker.close()
        except BaseException:  # a signal handler raised in the middle of it: gunicorn's at the second Ctrl-C
            continue


def _before_fork():
    _fork.held = _current is not None and _rendering.acquire(timeout=BUDGET)


def _after_fork_in_parent():
    if _fork.held:
        _rendering.release()


def _after_fork_in_child():
    global _lock, _rendering, _current
    _lock, _rendering = threading.Lock(), threading.RLock()
    worker, _current = _current, None
    if worker is not None:
        worker._abandon()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent,
                        after_in_child=_after_fork_in_child)
