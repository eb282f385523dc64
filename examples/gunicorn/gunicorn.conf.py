import os
import sys

# Beside your own application, fedscrape_worker.py is simply a file in its folder.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'python'))

import fedscrape_worker  # noqa: E402

bind = os.environ.get('BIND', '127.0.0.1:8000')
workers = 5
max_requests = 1000
max_requests_jitter = 100


# After the fork and after the application is loaded. Nothing is needed at the worker's end: the helper says goodbye
# when the interpreter exits, which is later than worker_exit, when the last threads of gthread have ended.
def post_worker_init(worker):
    fedscrape_worker.start('webapp')
