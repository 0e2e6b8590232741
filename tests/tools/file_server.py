"""A small HTTP server on this machine that behaves as it is told."""

import http.server
import threading


class FileServer:
    """Serves `files` (name to bytes). `behaviour` tells what goes wrong; `requests` keeps (path, Range) of each.

    "well"          parts where they are asked for
    "no ranges"     always the whole file
    "dies"          closes the connection after a third of what it promised, each time
    "cut"           ends well after a third, without a length: nobody can tell that there was more
    "waits"         sends a third, then waits for `go_on` before the rest
    "other part"    answers with a part that was not asked for
    "redirects"     to the same name under /moved/
    """

    def __init__(self, files):
        self.files, self.behaviour, self.requests, self.go_on = dict(files), "well", [], threading.Event()
        self.sent_a_third = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):

            def log_message(self, *_):
                pass

            def do_GET(self):
                server.requests.append((self.path, self.headers.get("Range")))
                data = server.files.get(self.path.rsplit("/", 1)[-1])
                if data is None:
                    self.send_error(404)
                    return
                if server.behaviour == "redirects" and not self.path.startswith("/moved/"):
                    self.send_response(302)
                    self.send_header("Location", "/moved" + self.path)
                    self.send_header("Content-Length", "7")
                    self.end_headers()
                    self.wfile.write(b"go away")
                    return
                begin = 0
                if self.headers.get("Range") and server.behaviour != "no ranges":
                    begin = int(self.headers["Range"][len("bytes="):-1])
                if begin > 0 and begin >= len(data):
                    self.send_response(416)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if begin > 0 and server.behaviour == "other part":
                    begin = 1
                body = data[begin:]
                self.send_response(206 if begin > 0 else 200)
                if begin > 0:
                    self.send_header("Content-Range", "bytes %d-%d/%d" % (begin, len(data) - 1, len(data)))
                if server.behaviour != "cut":
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                third = len(body) // 3
                self.wfile.write(body[:third])
                self.wfile.flush()
                if server.behaviour in ("dies", "cut"):
                    self.close_connection = True
                    return
                if server.behaviour == "waits":
                    server.sent_a_third.set()
                    server.go_on.wait(60)
                try:
                    self.wfile.write(body[third:])
                except ConnectionError:  # the client was killed, or has heard enough
                    self.close_connection = True

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.address = "http://127.0.0.1:%d" % self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.go_on.set()
        self.http.shutdown()
        self.http.server_close()
