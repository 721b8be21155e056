#!/usr/bin/env python3
"""Drives a server with OpenAI's own client for Python: files, uploads in parts, a job, its model.

Usage: check_openai_client.py http://127.0.0.1:8080/v1 BASE [KEY]   (needs the package openai; BASE is a language model with a chat template)
"""
import io
import json
import sys
import time

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key=sys.argv[3] if len(sys.argv) > 3 else "none")
base = sys.argv[2]
rows = "".join(
    json.dumps({"messages": [{"role": "user", "content": f"say {i}"}, {"role": "assistant", "content": f"it is {i % 7}"}]}) + "\n"
    for i in range(20)
).encode()

file = client.files.create(file=("chats.jsonl", rows), purpose="fine-tune")
assert file.bytes == len(rows) and file.filename == "chats.jsonl", file
assert client.files.retrieve(file.id) == file
assert client.files.content(file.id).read() == rows
assert file.id in [one.id for one in client.files.list(limit=1)]

upload = client.uploads.create(filename="big.jsonl", purpose="fine-tune", bytes=len(rows), mime_type="text/jsonl")
half = len(rows) // 2
parts = [client.uploads.parts.create(upload.id, data=io.BytesIO(piece)).id for piece in (rows[:half], rows[half:])]
done = client.uploads.complete(upload.id, part_ids=parts)
assert done.status == "completed" and client.files.content(done.file.id).read() == rows, done

job = client.fine_tuning.jobs.create(
    model=base, training_file=file.id, suffix="python", seed=7, metadata={"team": "a"},
    method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1, "batch_size": 4}}})
while job.finished_at is None:
    time.sleep(0.2)
    job = client.fine_tuning.jobs.retrieve(job.id)
assert job.status == "succeeded", job
print(*[event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=5)], sep="\n")
assert job.fine_tuned_model in [model.id for model in client.models.list()]
chat = dict(model=job.fine_tuned_model, messages=[{"role": "user", "content": "say 3"}], max_completion_tokens=8, temperature=0)
text = client.chat.completions.create(**chat).choices[0].message.content
streamed = "".join(
    chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**chat, stream=True) if chunk.choices)
assert streamed == text, (streamed, text)
assert client.models.delete(job.fine_tuned_model).deleted

for wrong, kind in (
    (lambda: client.files.create(file=("x.jsonl", rows), purpose="batch"), openai.BadRequestError),
    (lambda: client.files.retrieve("file-none"), openai.NotFoundError),
):
    try:
        wrong()
    except kind as error:
        print("refused, as it should be:", error.message)
    else:
        raise AssertionError(f"{kind} was not raised")
assert client.files.delete(file.id).deleted and client.files.delete(done.file.id).deleted
print("all was as it should be")
