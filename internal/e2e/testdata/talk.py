"""The talk's application: a counter of requests by view, in a worker that fedscrape finds."""
import os
import sys

from flask import Flask
from prometheus_client import Counter

sys.path.insert(0, os.environ['FEDSCRAPE_HELPER'])

REQS = Counter('reqs', 'Requests answered.', ['view'])
app = Flask(__name__)


@app.route('/<view>')
def view(view):
    REQS.labels(view).inc()
    return 'ok\n'
