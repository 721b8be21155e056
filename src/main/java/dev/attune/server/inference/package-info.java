/**
 * Answers of models, many at a time, behind OpenAI's API.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>What is answered depends on the request alone</b>, to the last bit of its numbers: texts
 *       of many callers are written in one batch and many texts are read in one pass, but what else
 *       is in there does not count.
 *   <li><b>Adapters share their base</b>: one copy of its weights serves requests for any number of
 *       them in one batch ({@link dev.attune.run.GenerationService}).
 *   <li><b>Memory is bounded</b>: models, adapters, and keys and values each have a bound. What has
 *       not been used for the longest makes room; what is in use stays.
 *   <li><b>Queues are bounded</b>: beyond them 429 says when to come again. A client that has gone
 *       frees its place at the next token.
 * </ul>
 */
package dev.attune.server.inference;
