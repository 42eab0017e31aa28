"""How gunicorn serves us. It reads this file by itself when started here."""

import gc
import os

from dashboard.supervisor import tied_to

wsgi_app = "dashboard.wsgi"
worker_class = "sync"
workers = int(os.environ.get("WEB_CONCURRENCY") or "3")
preload_app = True  # a bad setting is told once, by one process
timeout = 30
graceful_timeout = 15
control_socket_disable = True


def when_ready(server):
    from dashboard import first_link

    first_link.tell(server.log.info)
    gc.freeze()  # what is loaded by now stays: it is not looked through again, and is shared


def post_fork(server, worker):
    tied_to(server.pid)()
