"""The classic Flask application: a counter of requests and a histogram of their latency."""
import time

from flask import Flask, g, request
from prometheus_client import Counter, Histogram

APP_NAME = 'webapp'
REQUEST_COUNT = Counter('request_count', 'Requests answered.',
                        ['app_name', 'method', 'endpoint', 'http_status'])
REQUEST_LATENCY = Histogram('request_latency_seconds', 'Time until the response was ready.',
                            ['app_name', 'endpoint'])

app = Flask(__name__)


@app.before_request
def start_timer():
    g.start = time.perf_counter()


# after_request runs before the first byte of the response goes out, so a client that has its answer is counted.
# A hook that runs after the response (teardown_request, call_on_close) can be too late in a worker that is recycled.
@app.after_request
def count(response):
    endpoint = request.url_rule.rule if request.url_rule else 'unknown'  # the rule, not the path: paths have no end
    REQUEST_LATENCY.labels(APP_NAME, endpoint).observe(time.perf_counter() - g.start)
    REQUEST_COUNT.labels(APP_NAME, request.method, endpoint, response.status_code).inc()
    return response


@app.route('/')
def index():
    return 'hello\n'


@app.route('/fire')
def fire():
    return 'fired\n'
