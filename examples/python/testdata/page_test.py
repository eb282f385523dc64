"""The helper's page is the library's, byte by byte, whatever happens to the metrics between two pages."""
import random
import re
import struct
import sys
import threading
import time
import unittest

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client import gc_collector, metrics, platform_collector, process_collector, values
from prometheus_client.core import CounterMetricFamily, GaugeHistogramMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

import fedscrape_worker as fw

FORMATS = ['', 'text/plain;version=0.0.4', 'application/openmetrics-text',
           'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8,text/plain;q=0.5']
ODD = ['', 'plain', 'a"b', 'back\\slash', 'line\nfeed', '\\n', 'größe', '{}', '%s', '# EOF', 'x 1.0', '\u2028', '\r', '\x1c']
VALUES = [0, -0.0, 1, 0.1, 1e-7, 123456.789, 999999.0, 1e6, 1234567.0, 1234567.25, 1e9 / 3, 12345678901.0, 1e15, 564856975907457.8,
          1e16, 1.5e300, 5e-324, -1234567.5, -1e16, float('inf'), float('-inf'), float('nan')]


class Case(unittest.TestCase):
    """A registry, its renderers and what the library makes of it."""

    created = False

    def setUp(self):
        self.registry = CollectorRegistry()
        self.calls = []
        self.renderers = []
        metrics._use_created = self.created  # what the library's environment variable does
        for accept in FORMATS:
            encoder, content_type = choose_encoder(accept)
            renderer = fw._Renderer(self.registry, self.counted(encoder), self.created)
            self.renderers.append((content_type, encoder, renderer))

    def tearDown(self):
        metrics._use_created = True

    def counted(self, encoder):
        def encode(families):
            self.calls.append(families)
            return encoder(families)
        return encode

    def same(self, kept=None):
        """The pages are the library's. For those in kept, its encoder is not asked the second time."""
        for content_type, encoder, renderer in self.renderers:
            renderer.page()
            self.calls.clear()
            page, want = renderer.page(), encoder(self.registry)
            self.assertEqual(page.decode(), want.decode(), content_type)
            if kept is not None:
                self.assertEqual(len(self.calls), len(list(self.collectors())) - len(kept), content_type)
                self.assertTrue(set(kept) <= set(self.kept(renderer)), content_type)

    def collectors(self):
        """Those of the registry, and what it adds itself."""
        yield from self.registry._collector_to_names
        if self.registry.get_target_info():
            yield self.registry

    def kept(self, renderer):
        """The metrics whose text is kept."""
        runs = [one for run in renderer._runs for one in run.split or [run]]
        return [metric for run in runs if run.kept for metric in run.collectors]

    def every(self, labels=()):
        """One metric of each type that is kept."""
        make = dict(labelnames=labels, registry=self.registry)
        return [Counter('requests', 'Re"quests,\\ with a\nbreak.', **make), Gauge('depth', 'größe', unit='bytes', **make),
                Summary('size', '', **make), Histogram('took', 'Took.', buckets=(0.5, 1, 2.5), **make),
                Histogram('around', 'With a negative bound.', buckets=(-1, 0, 1), **make),
                Enum('phase', 'Phase.', states=['idle', 'bu"sy\n'], **make)]


def touch(metric, value=1.5):
    """Changes a child in the way of its type."""
    if isinstance(metric, Counter):
        metric.inc(abs(value))
    elif isinstance(metric, Gauge):
        metric.set(value)
    elif isinstance(metric, Enum):
        metric.state('bu"sy\n')
    else:
        metric.observe(value)


class Page(Case):
    def test_without_labels(self):
        every = self.every()
        self.same(every)
        for metric in every:
            touch(metric)
        self.same(every)

    def test_labels_that_come_and_go(self):
        every = self.every(['one', 'two'])
        self.same(every)
        random.seed(1)
        for step in range(40):
            for metric in every:
                children = list(metric._metrics)
                if step % 20 == 19:
                    metric.clear()
                elif children and random.random() < 0.3:
                    metric.remove(*random.choice(children))
                for _ in range(random.randrange(4)):
                    touch(metric.labels(random.choice(ODD), str(random.randrange(5))), random.choice([-0.5, 0.7, 3]))
            self.same(every)
        for metric in every:
            metric.clear()
        self.same(every)
        for _, _, renderer in self.renderers:
            self.assertFalse(any(run.kept._learned or run.kept._chunks for run in renderer._runs), 'children are kept')

    def test_a_child_that_comes_back_is_another(self):
        for metric in self.every(['one']):
            touch(metric.labels('x'))
            self.same()
            metric.remove('x')
            metric.labels('x')
        self.same()

    def test_more_children_than_a_slice(self):
        every = self.every(['one'])
        for metric in every:
            for i in range(2 * fw.SLICE // 3):
                touch(metric.labels(str(i)), i)
        self.same(every)
        for metric in every:
            metric.remove('1')
            metric.remove(str(fw.SLICE // 2))
            touch(metric.labels('new'))
            touch(metric.labels('3'))
        self.same(every)

    def test_numbers(self):
        gauge = Gauge('g', '', ['i'], registry=self.registry)
        random.seed(2)
        numbers = VALUES + [struct.unpack('<d', struct.pack('<Q', random.getrandbits(64)))[0] for _ in range(2000)]
        numbers += [random.lognormvariate(15, 8) for _ in range(2000)]
        for i, value in enumerate(numbers):
            gauge.labels(str(i)).set(value)
        self.same([gauge])

    def test_numbers_that_are_no_floats(self):
        class Odd(float):
            def __repr__(self):
                return 'odd'

        summary = Summary('s', '', registry=self.registry)
        summary._sum.set(7)  # as the reset() of newer libraries does
        self.same([summary])
        summary._sum.set(Odd(7.5))
        self.same([summary])

    def test_values_that_are_made_anew(self):
        every = self.every()
        for metric in every:
            touch(metric)
        self.same(every)
        for metric in every:
            metric._metric_init()
        self.same(every)
        for metric in every:
            touch(metric, 0.7)
        self.same(every)

    def test_gauges_with_functions(self):
        asked = []
        gauge = Gauge('g', '', ['i'], registry=self.registry)
        gauge.labels('stored').set(3)
        later = gauge.labels('later')
        later.set(4)
        gauge.labels('function').set_function(lambda: asked.append(1) or 5)
        self.same([gauge])
        later.set_function(lambda: 6)
        self.same([gauge])
        del asked[:]
        self.renderers[0][2].page()
        self.assertEqual(len(asked), 1)
        gauge.labels('another').set_function(lambda: asked.append(1) or 5)
        del asked[:]
        self.renderers[0][2].page()
        self.assertEqual(len(asked), 2, 'a function that is new is asked once a page too')

    def test_a_function_that_raises(self):
        gauge = Gauge('g', '', registry=self.registry)
        self.same([gauge])
        gauge.set_function(lambda: 1 / 0)
        for _, _, renderer in self.renderers:
            self.assertRaises(ZeroDivisionError, renderer.page)
        gauge.set_function(lambda: 2)
        self.same()

    def test_exemplars(self):
        counter, histogram = Counter('c', '', ['i'], registry=self.registry), Histogram('h', '', ['i'], registry=self.registry)
        plain = Histogram('p', '', ['i'], registry=self.registry)
        random.seed(3)
        for _ in range(40):
            i = str(random.randrange(5))
            counter.labels(i).inc(random.random(), {'trace': random.choice(ODD), 'a': 'b'})
            histogram.labels(i).observe(random.lognormvariate(0, 3), {'trace': random.choice(ODD)} if random.random() < 0.5 else None)
            plain.labels(i).observe(1)
            self.same([counter, histogram, plain])
        for value in VALUES:
            counter.labels('0')._value.set_exemplar(metrics.Exemplar({'x': 'y'}, value))  # without a timestamp
            self.same([counter, histogram, plain])
        self.assertIn(b'# {', self.renderers[2][2].page())

    def test_exemplars_in_a_run(self):
        every = self.every()
        for step in range(3):
            every[0].inc(1, {'trace': 'c%d' % step})
            for histogram in every[3:5]:
                for value in -0.5, 0.7, 2:
                    histogram.observe(value, {'trace': 'h%d' % step})
            self.same(every)

    def test_info_and_target_info(self):
        info = Info('build', 'Build.', ['i'], registry=self.registry)
        for value in ODD:
            info.labels(value).info({'version': value})
            self.same([])
        self.registry.set_target_info({'env': 'a"b'})
        every = self.every()
        self.same(every)
        self.registry.set_target_info(None)
        self.same(every)

    def test_metrics_that_come_and_go(self):
        every = self.every()
        self.same(every)
        for metric in every:
            self.registry.unregister(metric)
            self.same()
        gauges = [Gauge(name, '', registry=self.registry) for name in ('a', 'b')]
        self.same(gauges)
        self.registry.unregister(gauges[0])
        gauges[0] = Gauge('c', '', registry=self.registry)
        self.same(gauges)
        for gauge in gauges:
            self.registry.unregister(gauge)
        again = self.every(['one'])
        self.same(again)
        for _, _, renderer in self.renderers:
            self.assertEqual(self.kept(renderer), again, 'metrics that are gone are kept')

    def test_own_collectors(self):
        class Own:
            def collect(self):
                yield GaugeMetricFamily('own', 'Own.', 7)
                family = CounterMetricFamily('requests', 'The name of another.', labels=['x'])  # without describe() nobody objects
                family.add_metric(['a"b'], 1, created=123.5, timestamp=5)
                yield family
                yield GaugeHistogramMetricFamily('parts', '', buckets=[('1', 2), ('+Inf', 3)], gsum_value=9)

        class Doubled(Counter):
            def _child_samples(self):
                return [sample._replace(value=sample.value * 2) for sample in super()._child_samples()]

        own, doubled = Own(), Doubled('doubled', '', ['x'], registry=self.registry)
        self.registry.register(own)
        every = self.every()
        doubled.labels('a').inc(3)
        self.same(every)
        self.assertIn(b'doubled_total{x="a"} 6.0', self.renderers[0][2].page())

    def test_values_of_another_kind(self):
        class Doubled(values.MutexValue):
            def get(self):
                return 2 * super().get()

        counter = Counter('c', '', ['i'], registry=self.registry)
        counter.labels('x')._value = Doubled('', '', '', (), (), '')
        touch(counter.labels('x'))
        self.same([])
        self.assertIn(b'c_total{i="x"} 3.0', self.renderers[0][2].page())
        every, odd = self.every(), Counter('odd', '', registry=self.registry)
        after = Gauge('after', '', registry=self.registry)
        self.same(every + [odd, after])
        odd._value = Doubled('', '', '', (), (), '')
        before = Gauge('later', '', registry=self.registry)  # so that the run is learned anew
        touch(odd)
        self.same(every + [after, before])
        self.assertIn(b'odd_total 3.0', self.renderers[0][2].page())

    def test_insides_that_are_not_known(self):
        every = self.every(['i'])
        for metric in every:
            touch(metric.labels('x'))
        histogram, phase = every[3], every[5]
        histogram.labels('x')._buckets[0] = type('Value', (), {'get': lambda _: 5.0, 'get_exemplar': lambda _: None})()
        self.same([metric for metric in every if metric is not histogram])
        phase.labels('x')._states = ['idle', 'bu"sy\n', 'more']
        self.same([metric for metric in every if metric is not histogram and metric is not phase])

    def test_encoders_that_are_not_known(self):
        def with_timestamps(text):
            return re.sub(r'(requests_total\S* \S+)\n', r'\1 1000\n', text)

        def turned(text):
            return re.sub(r'(size_count\S* .*\n)(size_sum\S* .*\n)', r'\2\1', text)

        def with_comments(text):
            return re.sub(r'(size_sum)', r'# so much: \1', text)

        for metric in self.every(['i']):
            touch(metric.labels('x'))
        text, _ = choose_encoder('')
        for change in with_timestamps, turned, with_comments:
            def encoder(families):
                return change(text(families).decode()).encode()
            renderer = fw._Renderer(self.registry, encoder, False)
            self.assertEqual(renderer.page(), encoder(self.registry))
            self.assertEqual(renderer.page(), encoder(self.registry))

    def test_samples_in_another_order(self):
        original = Summary._child_samples
        Summary._child_samples = lambda child: tuple(reversed(original(child)))
        try:
            self.same([metric for metric in self.every(['i']) if touch(metric.labels('x')) or type(metric) is not Summary])
        finally:
            Summary._child_samples = original

    def test_a_registry_of_another_kind(self):
        class Filtered(CollectorRegistry):
            def collect(self):
                return (family for family in super().collect() if family.name != 'size')

        self.registry = Filtered()
        self.every()
        Gauge('mode', '', registry=self.registry, multiprocess_mode='max')
        encoder, _ = choose_encoder('')
        page = fw._Renderer(self.registry, encoder, False).page()
        self.assertTrue(page.startswith(encoder(self.registry)))
        self.assertIn(b'fedscrape_gauge_mode{metric="mode",mode="max"} 1.0', page)

    def test_gauge_modes(self):
        gauges = {mode: Gauge('g_' + mode, '', registry=self.registry, multiprocess_mode=mode)
                  for mode in ('all', 'min', 'livesum')}
        for content_type, encoder, renderer in self.renderers:
            lines = renderer.page().decode().split('\n')
            self.assertEqual(lines.count('fedscrape_gauge_mode{metric="g_min",mode="min"} 1.0'), 1, content_type)
            self.assertEqual(sum(line.startswith('fedscrape_gauge_mode{') for line in lines), 2, content_type)
            want = [line for line in encoder(self.registry).decode().split('\n')]
            self.assertEqual([line for line in lines if 'fedscrape_gauge_mode' not in line], want, content_type)
        self.registry.unregister(gauges['min'])
        self.assertNotIn(b'g_min', self.renderers[0][2].page())

    def test_process_platform_and_gc(self):
        process_collector.ProcessCollector(registry=self.registry)
        platform_collector.PlatformCollector(registry=self.registry)
        gc_collector.GCCollector(registry=self.registry)
        names = lambda page: [line.rpartition(' ')[0] for line in page.decode().split('\n')]
        for content_type, encoder, renderer in self.renderers:
            page = renderer.page()
            self.assertEqual(names(page), names(encoder(self.registry)), content_type)
            self.assertIn(b'\nprocess_resident_memory_bytes ', page)

    def test_threads(self):
        every, stop, counted = self.every(['i']), threading.Event(), [0] * 4

        def work(n):
            while not stop.is_set():
                for metric in every:
                    touch(metric.labels('steady'))
                    metric.labels('%d-%d' % (n, counted[n] % 7))
                    if counted[n] % 3 == 0:
                        metric.remove('%d-%d' % (n, counted[n] % 7))
                counted[n] += 1
        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(counted))]
        for thread in threads:
            thread.start()
        renderer, last, deadline = self.renderers[0][2], 0.0, time.monotonic() + 30
        try:
            for _ in range(40):
                families = {family.name: family for family in text_string_to_metric_families(renderer.page().decode())}
                buckets = [s.value for s in families['took'].samples if s.labels.get('i') == 'steady' and s.name == 'took_bucket']
                self.assertEqual(buckets, sorted(buckets))
                seen = sum(s.value for s in families['requests'].samples if s.labels['i'] == 'steady')
                self.assertGreaterEqual(seen, last)
                last = seen
            while min(counted) < 5 and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(self.kept(renderer), every)
        self.same(every)
        self.assertIn('requests_total{i="steady"} %r' % (1.5 * sum(counted)), renderer.page().decode())


class PageWithCreated(Case):
    """Where it is asked for: in OpenMetrics, where it stands beside the child; in text the library renders it."""

    created = True

    def test_created(self):
        every = self.every(['i'])
        for metric in every:
            touch(metric.labels('x'))
            touch(metric.labels('y'))
        self.same()
        every[0].labels('x')._created = 5.5  # as the reset() of newer libraries does
        every[3].labels('z').observe(1, {'trace': 'x'})
        self.same()
        renderer = self.renderers[2][2]
        self.assertIn(b'requests_created{i="x"} 5.5', renderer.page())
        self.assertEqual(self.kept(renderer), every)


    def test_created_in_another_place(self):
        original = Counter._child_samples
        Counter._child_samples = lambda child: tuple(reversed(original(child)))
        try:
            for metric in self.every(['i']):
                touch(metric.labels('x'))
            self.same()
        finally:
            Counter._child_samples = original


class PageWithoutCreated(Case):
    def test_created_is_left_out(self):
        metrics._use_created = True  # the library shows it, the helper does not
        for metric in self.every(['i']):
            touch(metric.labels('x'))
        Own = type('Own', (Counter,), {})
        Own('own', '', registry=self.registry)
        for content_type, encoder, renderer in self.renderers:
            metrics._use_created = True
            page = renderer.page().decode()
            metrics._use_created = False
            self.assertEqual(page, encoder(self.registry).decode(), content_type)


class Turns(Case):
    def test_other_threads_have_their_turn(self):
        every = self.every(['i'])
        for metric in every:
            for i in range(fw.SLICE):
                metric.labels(str(i))
        locks = [self.registry._lock] + [metric._lock for metric in every]
        locks += [metric.labels('1')._value._lock for metric in every[:2]]
        turns, sleep = [], time.sleep
        renderer = self.renderers[2][2]
        renderer.page()
        fw.time.sleep = lambda seconds: turns.append([lock.locked() for lock in locks if hasattr(lock, 'locked')])
        try:
            lines = renderer.page().count(b'\n')
            count = len(turns)
            renderer.page(hurry=True)
        finally:
            fw.time.sleep = sleep
        self.assertEqual(len(turns), count, 'the goodbye gives turns')
        self.assertGreaterEqual(len(turns), lines // fw.SLICE - 1)
        self.assertFalse(any(map(any, turns)), 'a lock is held while others have their turn')


class Cost(Case):
    def test_cheaper_than_the_library(self):
        children = []
        for n in range(3):
            make = dict(registry=self.registry)
            counter = Counter('requests_%d' % n, '', ['method', 'endpoint'], **make)
            children += [counter.labels('GET', '/api/v1/thing_%d' % i) for i in range(350)]
            gauge = Gauge('depth_%d' % n, '', ['queue'], **make)
            children += [gauge.labels('queue_%d' % i) for i in range(150)]
            histogram = Histogram('took_%d' % n, '', ['method', 'endpoint'], **make)
            children += [histogram.labels('GET', '/api/v1/thing_%d' % i) for i in range(20)]
            summary = Summary('size_%d' % n, '', ['endpoint'], **make)
            children += [summary.labels('/api/v1/thing_%d' % i) for i in range(40)]
        self.compare(children, 3)

    def test_metrics_without_labels(self):
        self.compare([Counter('c_%d' % n, 'Counted.', registry=self.registry) for n in range(500)], 2)

    def compare(self, children, least):
        for content_type, encoder, renderer in self.renderers[::2]:
            ratio = 0
            # What is measured is printed: a busy machine makes it look worse, and never better. That it is quick at all is asserted.
            for _ in range(6):
                if ratio < least:
                    ratio = self.ratio(content_type, children, lambda: encoder(self.registry), renderer.page)
            self.assertGreaterEqual(ratio, least)

    def ratio(self, content_type, children, library, helper):
        times = {library: [], helper: []}
        for render in [library, helper] * 15:
            for child in children:
                touch(child, 123.25)
            begin = time.thread_time()
            page = render()
            times[render].append(time.thread_time() - begin)
        samples = sum(not line.startswith(b'#') for line in page.splitlines())
        ratio = min(times[library]) / min(times[helper])
        print('%s: %.2f us a sample, the library %.1f times that' % (
            content_type, min(times[helper]) / samples * 1e6, ratio), file=sys.stderr)
        return ratio


if __name__ == '__main__':
    print('prometheus_client', prometheus_client.__file__, file=sys.stderr)
    unittest.main(verbosity=2)
