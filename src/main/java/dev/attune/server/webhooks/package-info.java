/**
 * Webhooks: who wants to be told of the ends of jobs is sent a signed message, again and again
 * until it is taken.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>A message is in the journal before it is sent</b>, with the change that it tells of: no
 *       kill loses one. One may arrive twice; its {@code webhook-id} is then the same.
 *   <li><b>A tenant's endpoint is on the public network</b>: the server connects to the very
 *       address that it has checked, and follows no redirects, so that nobody reaches through it
 *       what lies beside it. The owner's own endpoint may be anywhere.
 *   <li>Signatures are those of Standard Webhooks, which OpenAI's clients check.
 * </ul>
 */
package dev.attune.server.webhooks;
