"""The application of examples/gunicorn, in workers that write down what they count: a test reads the truth there.

Each life of a worker has a file of its own, a line each: `request PATH`, before it is counted; `page TIME`, before it
is rendered; `final`, before the final snapshot is handed in; `taken`, when it was acknowledged; `refused REASON`, when
it was not.
"""
import os
import sys
import time

from flask import request
from prometheus_client import REGISTRY, Counter

sys.path[:0] = [os.environ['FEDSCRAPE_HELPER'], os.environ['FEDSCRAPE_EXAMPLE']]

import fedscrape_worker  # noqa: E402

LIFE = '%d-%s' % (os.getpid(), os.urandom(4).hex())
TRUTH = os.open(os.path.join(os.environ['FEDSCRAPE_TRUTH'], LIFE), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def note(*words):
    os.write(TRUTH, (' '.join(str(word) for word in words) + '\n').encode())


class Pages:
    def describe(self):
        return []

    def collect(self):
        note('page', time.time())
        return []


REGISTRY.register(Pages())  # before the metrics, so that it is asked before them

from app import app  # noqa: E402

REQUESTS = Counter('life_requests', 'Requests of one life of a worker.', ['life']).labels(LIFE)


@app.after_request  # the last one that is registered runs first
def count(response):
    note('request', request.path)
    REQUESTS.inc()
    return response


hand_in = fedscrape_worker.Worker._hand_in


def hand_in_and_note(worker, deadline):
    note('final')
    try:
        hand_in(worker, deadline)
        note('taken')
    except Exception as err:
        note('refused', err)
        raise


fedscrape_worker.Worker._hand_in = hand_in_and_note
