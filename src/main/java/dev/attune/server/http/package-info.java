/**
 * Requests and answers of the server, in the form that OpenAI's clients expect: routes, who calls,
 * bodies that are read strictly, errors, lists in pages, streams of events.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>A body's fields are used or refused by name</b> ({@link dev.attune.server.http.Fields}):
 *       a client that asks for what this server does not do is told, not given something else.
 *   <li><b>A failure has a number</b>: what a client is told of an error of the server's own is the
 *       request's id, under which the log has the cause.
 * </ul>
 */
package dev.attune.server.http;
