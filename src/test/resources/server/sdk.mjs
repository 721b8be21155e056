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

// Errors.
await assert.rejects(
  client.files.create({ file: await toFile(Buffer.from(rows), "x.jsonl"), purpose: "batch" }),
  (e) => e instanceof OpenAI.BadRequestError && e.param === "purpose" && /no batches/.test(e.message));
assert.equal((await client.files.delete(file.id)).deleted, true);
await assert.rejects(client.files.retrieve(file.id), (e) => e instanceof OpenAI.NotFoundError);

console.log("all was as it should be");
