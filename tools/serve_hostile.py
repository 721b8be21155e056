#!/usr/bin/env python3
"""Sends a running server what no client should: bodies that are no JSON, deep or huge, numbers out of all ranges, forms that break off,
headers that never end, wrong keys, thousands of idle connections, clients that hang up or hardly read, and deletions in races.

It must answer each with an error of OpenAI's form below 500 (503 and 507 say that it has too much to do, or no room), go on answering
others, and not grow. Prints what was answered; ends with status 1 if anything was not as it must be.

  ./attune serve --base-model qwen=models/qwen3-0.6b --json          # the address is in its first line
  tools/serve_hostile.py http://127.0.0.1:8080/v1 --model qwen --minutes 60
"""
import argparse
import collections
import http.client
import json
import os
import random
import socket
import threading
import time
import urllib.parse

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("address", help="of the server, with /v1")
parser.add_argument("--model", required=True, help="a language model that it serves; small ones are asked more")
parser.add_argument("--minutes", type=float, default=10)
parser.add_argument("--connections", type=int, default=2000, help="that are held idle")
parser.add_argument("--pid", type=int, help="of the server, to see its memory")
parser.add_argument("--seed", type=int, default=1)
asked = parser.parse_args()
url = urllib.parse.urlparse(asked.address)
HOST, PORT, MODEL = url.hostname, url.port, asked.model

answers = collections.Counter()
wrong = collections.Counter()
held = collections.deque()
lock = threading.Lock()
is_over = threading.Event()
longest = [0.0, ""]

ALLOWED = (503, 507)  # too much to do; no room


def note_wrong(what):
    with lock:
        text = str(what)[:400]
        if text not in wrong:
            print("WRONG", text, flush=True)
        wrong[text] += 1


def request(method, path, body=None, headers=None, timeout=120):
    """Returns the status and the JSON of the answer; notes what may not be."""
    connection = http.client.HTTPConnection(HOST, PORT, timeout=timeout)
    began = time.time()
    try:
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        connection.request(method, "/v1" + path, data, {"Content-Type": "application/json", **(headers or {})})
        answer = connection.getresponse()
        text = answer.read()
    except TimeoutError as error:
        note_wrong(("no answer", method, path, "within %d s" % timeout))
        raise ConnectionError from error
    finally:
        connection.close()
    seconds = time.time() - began
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    with lock:
        answers["%s /%s %d" % (method, path.split("?")[0].split("/")[1], answer.status)] += 1
        if seconds > longest[0]:
            longest[:] = [seconds, method + " " + path[:80]]
    if answer.status >= 500 and answer.status not in ALLOWED:
        note_wrong((answer.status, method, path, answer.getheader("x-request-id"), text[:200]))
    if answer.status >= 400 and not (isinstance(found, dict) and "message" in found.get("error", {})):
        note_wrong(("no error of OpenAI's form", method, path, answer.status, text[:200]))
    return answer.status, found


DEEP = b"[" * 5000 + b"]" * 5000
PATHS = [
    "/training/sessions", "/training/sessions/tsess-x/forward_backward", "/fine_tuning/jobs", "/chat/completions", "/completions",
    "/embeddings", "/classifications", "/models/%s/feedback" % MODEL, "/models/%s/learner" % MODEL, "/uploads", "/uploads/upload_x/complete",
    "/attune/keys", "/attune/data_report", "/webhook_endpoints",
]
VALUES = [
    "null", "-1", "1e400", "-1e400", "1e-400", "9223372036854775808", "123456789012345678901234567890", "NaN", '""', '"\\ud800"', "[]", "{}",
    "[[[[]]]]", "true", "2147483647", '"../../etc/passwd"', '"\\u0000"', '"' + "a" * 300000 + '"', "[-1]", "[2147483647]", "[1.5]",
]
FIELDS = [
    "model", "prompt", "messages", "input", "max_tokens", "n", "temperature", "top_p", "seed", "stop", "logit_bias", "stream", "lora", "max_length",
    "training_file", "suffix", "hyperparameters", "method", "metadata", "attune", "bytes", "filename", "examples", "loss", "sequence", "part_ids",
    "tenant", "scopes", "corrections", "label", "dimensions", "tools", "replay_file",
]
WHOLE = [
    b"", b"{", b"[]", b"null", b"\x00", b"\xff\xfe", DEEP, b'{"a":' + DEEP + b"}", b'{"model":"a","model":"b"}', b'{"model":"\xff"}',
    b"\x1f\x8bjunk", b"{" + b" " * 1000000 + b"}", b"[" + b"0," * 900000 + b"0]", b"\xef\xbb\xbf{}", b"'{}'", b"{}{}",
]


def malformed(rnd):
    path = rnd.choice(PATHS)
    if rnd.random() < 0.4:
        body = rnd.choice(WHOLE)
    else:
        fields = {field: rnd.choice(VALUES) for field in rnd.sample(FIELDS, rnd.randint(1, 4))}
        if rnd.random() < 0.8:
            fields["model"] = json.dumps(MODEL)
        body = ("{" + ",".join('"%s":%s' % item for item in fields.items()) + "}").encode()
    headers = {"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" or rnd.random() < 0.03 else {}
    if rnd.random() < 0.05:
        headers["Content-Type"] = rnd.choice(["text/plain", "application/json; charset=utf-7", "multipart/form-data", ""])
    request("POST", path, body, headers)


def odd_paths(rnd):
    path = rnd.choice([
        "/models/%2e%2e%2f%2e%2e", "/files/%00", "/files/" + "a" * 5000, "/fine_tuning/jobs/ftjob-x", "/fine_tuning/jobs?limit=-1",
        "/files?after=x&limit=1e9", "/models/%s@v99999999999" % MODEL, "/models/%s/versions/v0" % MODEL, "/nothing", "/files?" + "a=b&" * 500,
        "/training/sessions/x/requests/y?wait_seconds=1e9", "/training/sessions?after=%ff", "/fine_tuning/jobs?metadata[%22]=%27",
    ])
    request(rnd.choice(["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"]), path, None)
    request("GET", "/models", None, {"Authorization": rnd.choice(["Bearer ", "Bearer sk-attune-" + "x" * 43, "Basic eDp5", "Bearer \xff"])})
    time.sleep(0.02)


RAW = [
    b"", b"GET ", b"\x16\x03\x01\x02\x00\x01\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    b"GET /v1/models HTTP/9.9\r\nHost: localhost\r\n\r\n", b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n", b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 40000,
    b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n--x\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
]


def connected():
    sock = socket.create_connection((HOST, PORT), timeout=10)
    sock.settimeout(10)
    return sock


def half_open(rnd):
    """Begins, and does not go on; as many are held as were asked for."""
    sock = connected()
    sock.sendall(rnd.choice(RAW))
    held.append(sock)
    while len(held) > asked.connections:
        held.popleft().close()
    time.sleep(0.01)


def slow(rnd):
    """A byte now and then, of a head or of a body; then hangs up."""
    body = json.dumps({"model": MODEL, "prompt": "a", "max_tokens": 1}).encode()
    whole = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with connected() as sock:
        at = rnd.choice([1, 20, len(whole) - len(body) + 1])
        sock.sendall(whole[:at])
        for byte in whole[at:at + rnd.randint(1, 60)]:
            sock.sendall(bytes([byte]))
            time.sleep(0.1)


def hang_up(rnd):
    """Asks for a long stream, reads little of it, or nothing for a while."""
    body = json.dumps({"model": MODEL, "prompt": "a", "max_tokens": 20, "stream": True, "n": rnd.choice([1, 4])}).encode()
    with connected() as sock:
        sock.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        if rnd.random() < 0.5:
            sock.recv(rnd.randint(1, 300))
        else:
            time.sleep(rnd.random())
    time.sleep(0.02)


def form(rnd, rows, name):
    border = os.urandom(6).hex()
    head = "--%s\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n"
    parts = [(head % (border, "purpose", "")).encode() + b"fine-tune\r\n", (head % (border, "file", "; filename=\"%s\"" % name)).encode() + rows + b"\r\n"]
    rnd.shuffle(parts)
    return border, b"".join(parts) + ("--%s--\r\n" % border).encode()


def forms(rnd):
    rows = b'{"prompt": "a", "completion": " b"}\n' * rnd.choice([1, 30, 6000])
    border, body = form(rnd, rows, rnd.choice(["a.jsonl", "../../x.jsonl", "a\\b.jsonl", "\u00e9.jsonl", "a" * 300 + ".jsonl", ""]))
    breaks = rnd.random()
    if breaks < 0.3:
        body = body[:rnd.randint(1, len(body))]
    elif breaks < 0.5:
        at = rnd.randint(0, min(300, len(body) - 1))
        body = body[:at] + rnd.randbytes(3) + body[at + 3:]
    status, file = request("POST", "/files", body, {"Content-Type": "multipart/form-data; boundary=" + border})
    if status == 200:
        races(["DELETE /files/" + file["id"]] * 3 + ["GET /files/%s/content" % file["id"]] * 2)


def races(calls):
    """All at the same time."""
    def one(call):
        method, path = call.split(" ")
        try:
            connection = http.client.HTTPConnection(HOST, PORT, timeout=120)
            connection.request(method, "/v1" + path)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            with lock:
                answers["race %s %d" % (method, answer.status)] += 1
            if answer.status >= 500 and answer.status not in ALLOWED:
                note_wrong(("race", call, answer.status, answer.getheader("x-request-id")))
        except (OSError, http.client.HTTPException):
            with lock:
                answers["broken off"] += 1
    threads = [threading.Thread(target=one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def made_and_deleted(rnd):
    """Sessions, uploads and jobs, used and taken out at the same time."""
    status, session = request("POST", "/training/sessions", {"model": MODEL, "lora": {"rank": 2}, "max_length": 32})
    if status == 200:
        path = "/training/sessions/" + session["id"]
        for body in ({"examples": [{"tokens": [1], "targets": [999999999], "weights": [1]}], "loss": {"name": "cross_entropy"}}, {"sequence": -1},
                     {"sequence": 2 ** 63}, {"learning_rate": 1e-3, "betas": [2, 3]}, {"prompt": [], "n": 10 ** 9}):
            if request("POST", path + "/" + rnd.choice(["forward_backward", "optim_step", "sample"]), body)[0] < 400:
                note_wrong(("accepted", body))
        request("POST", path + "/sample", {"prompt": [1], "max_tokens": 8, "n": 4})
        races(["DELETE " + path] * 2 + ["GET " + path, "POST " + path + "/resume", "GET " + path + "/states", "DELETE " + path + "/states/one"])
        if request("GET", path)[0] == 200:
            request("DELETE", path)
    status, upload = request("POST", "/uploads", {"filename": "a.jsonl", "purpose": "fine-tune", "bytes": 100, "mime_type": "x/y"})
    if status == 200:
        path = "/uploads/%s/" % upload["id"]
        races(["POST " + path + "cancel", "POST " + path + "complete", "POST " + path + "parts", "POST " + path + "cancel"])
    rows = b'{"prompt": "a", "completion": " b"}\n' * 40
    border, body = form(rnd, rows, "a.jsonl")
    status, file = request("POST", "/files", body, {"Content-Type": "multipart/form-data; boundary=" + border})
    if status == 200:
        status, job = request("POST", "/fine_tuning/jobs", {"model": MODEL, "training_file": file["id"], "attune": {"max_steps": 1000, "lora_r": 2, "max_length": 32}})
        if status == 200:
            path = "/fine_tuning/jobs/" + job["id"]
            races(["POST " + path + "/cancel", "POST " + path + "/pause", "POST " + path + "/resume", "GET " + path, "DELETE /files/" + file["id"]])
            request("POST", path + "/cancel")
        request("DELETE", "/files/" + file["id"])
    time.sleep(0.2)


def as_it_should(rnd):
    """Somebody who does nothing wrong is answered all the time."""
    status, answer = request("POST", "/completions", {"model": MODEL, "prompt": "a", "max_tokens": 2})
    if status not in (200, 429) + ALLOWED:
        note_wrong(("a right request was answered with", status, answer))
    time.sleep(0.2)


def begun(act, number):
    rnd = random.Random(asked.seed * 31 + number)

    def work():
        while not is_over.is_set():
            try:
                act(rnd)
            except (OSError, http.client.HTTPException):
                with lock:
                    answers["broken off"] += 1
                time.sleep(0.05)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def memory():
    if asked.pid is None:
        return "not looked at"
    with open("/proc/%d/status" % asked.pid) as status:
        return ", ".join(line.strip().replace("\t", " ") for line in status if line.startswith(("VmRSS", "Threads")))


ACTS = [malformed, malformed, odd_paths, half_open, slow, slow, hang_up, forms, made_and_deleted, as_it_should]
threads = [begun(act, number) for number, act in enumerate(ACTS)]
end = time.time() + 60 * asked.minutes
while time.time() < end:
    time.sleep(min(60, max(0, end - time.time())))
    print("%s; %d answers, %d wrong; %s" % (time.strftime("%H:%M:%S"), sum(answers.values()), sum(wrong.values()), memory()), flush=True)
is_over.set()
for thread in threads:
    thread.join(150)
    if thread.is_alive():
        note_wrong("a client still waits for its answer")
for sock in held:
    sock.close()
as_it_should(random.Random(0))
for answer, count in sorted(answers.items()):
    print("%8d  %s" % (count, answer))
print("longest: %.1f s, %s; %s" % (*longest, memory()))
for what, count in wrong.most_common():
    print("WRONG %dx %s" % (count, what))
raise SystemExit(1 if wrong else 0)
