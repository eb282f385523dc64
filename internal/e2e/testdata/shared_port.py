"""Three processes behind one port, as they should not be: shared_port.py reuseport|fork PORT."""
import os
import signal
import socket
import sys
import time
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import Counter, make_wsgi_app

how, port = sys.argv[1], int(sys.argv[2])


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


class Server(WSGIServer):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()


def listen():
    return make_server('127.0.0.1', port, None, Server, Quiet)


def serve(server, count):
    shared = Counter('shared', 'Counted by each of the processes.')
    shared.inc(count)
    page = make_wsgi_app()

    def app(environ, start_response):
        shared.inc()
        return page(environ, start_response)

    server.set_app(app)
    print('ready', flush=True)
    server.serve_forever()


before_fork = listen() if how == 'fork' else None
children = []
for i in range(3):
    pid = os.fork()
    if pid == 0:
        serve(before_fork or listen(), 100 * (i + 1))
    children.append(pid)
    time.sleep(0.05)  # start times are in ticks of 10 ms: processes of one tick could be told apart by their counts only


def end(*_):
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
signal.pause()
