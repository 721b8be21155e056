/**
 * The training server: files, jobs, models and their answers behind OpenAI's HTTP API, on one
 * machine.
 *
 * <p>Parts, each of which knows only those before it:
 *
 * <pre>
 * http        requests and answers: routes, callers, strict bodies, errors, pages, event streams
 * database    the journal: what was answered is durable
 * access      API keys and what they allow
 * files       uploads, which are whole or absent
 * models      bases, and what jobs have made
 * webhooks    who is told of the ends of jobs
 * jobs        a queue that loses nothing, and who works it off
 * inference   answers of models, many at a time
 * training    sessions in which clients train step by step
 * feedback    corrections, and the small updates that they lead to
 * console     one web page over all of this
 * data        the folder that all of it lies in, and whether it is whole
 * tls         certificates
 * </pre>
 *
 * <p>{@link dev.attune.server.AttuneServer} puts them together. Nothing here trains or computes: a
 * job is a {@link dev.attune.run.RunConfig}, an answer is one of the room "run".
 */
package dev.attune.server;
