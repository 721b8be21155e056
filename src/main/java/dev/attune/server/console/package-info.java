/**
 * One web page over the server's HTTP API, and what the page needs beyond OpenAI's part of it: runs
 * with their curves, reports on data before a job is made, the state of the machine, keys.
 *
 * <p>The page itself needs no key and holds nothing; whatever it shows it asks for with the key
 * that its user gave. Paths of the server's folders do not leave it: {@link
 * dev.attune.server.console.Places} says what stands in their place.
 */
package dev.attune.server.console;
