// OpenAI's client for Node, as it is, against a server whose address is the argument.
import assert from "node:assert/strict";
import { createReadStream, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI, { toFile } from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none" });
const rows = '{"messages":[{"role":"user","content":"1+1"},{"role":"assistant","content":"2"}]}\n';

// Files: from a path, and from memory.
const path = join(mkdtempSync(join(tmpdir(), "attune-")), "rows.jsonl");
writeFileSync(path, rows);
const file = await client.files.create({ file: createReadStream(path), purpose: "fine-tune" });
assert.equal(file.filename, "rows.jsonl");
assert.equal(file.bytes, rows.length);
const other = await client.files.create({
  file: await toFile(Buffer.from(rows), "other.jsonl"),
  purpose: "fine-tune",
  expires_after: { anchor: "created_at", seconds: 3600 },
});
assert.equal(other.expires_at, other.created_at + 3600);
assert.deepEqual(await client.files.retrieve(file.id), file);
assert.equal(await (await client.files.content(file.id)).text(), rows);
const ids = [];
for await (const one of client.files.list({ limit: 1, order: "asc" })) ids.push(one.id);
assert.deepEqual(ids, [file.id, other.id]);

// Uploads in parts.
const content = Buffer.from(rows.repeat(5000));
const upload = await client.uploads.create({
  filename: "big.jsonl", purpose: "fine-tune", bytes: content.length, mime_type: "text/jsonl",
});
const parts = [];
for (let at = 0; at < content.length; at += 200_000) {
  const data = await toFile(content.subarray(at, at + 200_000), "blob");
  parts.push((await client.uploads.parts.create(upload.id, { data })).id);
}
const done = await client.uploads.complete(upload.id, { part_ids: parts });
assert.equal(done.status, "completed");
assert.equal((await client.files.retrieve(done.file.id)).bytes, content.length);

// A job, watched, and its model talked to.
let chats = "";
for (let i = 0; i < 20; i++) {
  chats += JSON.stringify({ messages: [
    { role: "user", content: `say ${i}` }, { role: "assistant", content: `it is ${i % 7}` }] }) + "\n";
}
const data = await client.files.create({ file: await toFile(Buffer.from(chats), "chats.jsonl"), purpose: "fine-tune" });
let job = await client.fineTuning.jobs.create({
  model: "decoder", training_file: data.id, suffix: "node", seed: 7, metadata: { team: "a" },
  method: { type: "supervised", supervised: { hyperparameters: { n_epochs: 1, batch_size: 4 } } },
});
for (let i = 0; i < 600 && !job.finished_at; i++) {
  await new Promise((wake) => setTimeout(wake, 100));
  job = await client.fineTuning.jobs.retrieve(job.id);
}
assert.equal(job.status, "succeeded", JSON.stringify(job));
assert.match(job.fine_tuned_model, /^ft:decoder:local:node:/);
const messages = [];
for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 5 })) messages.push(event.message);
assert.match(messages[0], /success/);
const jobs = [];
for await (const one of client.fineTuning.jobs.list({ metadata: { team: "a" } })) jobs.push(one.id);
assert.deepEqual(jobs, [job.id]);
const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert.ok(models.includes("decoder") && models.includes(job.fine_tuned_model));
assert.equal((await client.models.retrieve(job.fine_tuned_model)).id, job.fine_tuned_model);
const chat = {
  model: job.fine_tuned_model, messages: [{ role: "user", content: "say 3" }], max_completion_tokens: 8, temperature: 0,
};
const answer = await client.chat.completions.create(chat);
let streamed = "";
for await (const chunk of await client.chat.completions.create({ ...chat, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? "";
}
assert.equal(streamed, answer.choices[0].message.content);
const completion = await client.completions.create({ model: "decoder", prompt: "it is", max_tokens: 5, temperature: 0 });
assert.equal(completion.choices.length, 1);
const vectors = await client.embeddings.create({ model: "encoder", input: ["it is good", "it is bad"] });
assert.equal(vectors.data.length, 2);
assert.ok(vectors.data[0].embedding.length > 0 && typeof vectors.data[0].embedding[0] === "number");
assert.equal((await client.models.delete(job.fine_tuned_model)).deleted, true);

// Errors.
await assert.rejects(
  client.files.create({ file: await toFile(Buffer.from(rows), "x.jsonl"), purpose: "batch" }),
  (e) => e instanceof OpenAI.BadRequestError && e.param === "purpose" && /no batches/.test(e.message));
assert.equal((await client.files.delete(file.id)).deleted, true);
await assert.rejects(client.files.retrieve(file.id), (e) => e instanceof OpenAI.NotFoundError);

console.log("all was as it should be");
