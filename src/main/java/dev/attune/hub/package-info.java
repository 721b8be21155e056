/**
 * From what the user typed after {@code --model} to a Hugging Face folder on this machine.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>A folder is used as it is.</b> Nothing is copied, and an existing folder wins over a
 *       name of ours.
 *   <li><b>No network code.</b> Model hubs are not contacted. The one model that is offered by
 *       name, {@code minilm}, is an artifact of Maven Central: an application has it on its class
 *       path, the command line lets Maven fetch it, so that the mirrors, proxies and offline
 *       switches that the user has set up there apply here too. Where there is no Maven, the JAR
 *       can be put into a folder by hand. A library starts no process: Maven is started only where
 *       {@link dev.attune.hub.Hub#allowMaven} was called.
 *   <li><b>What is fetched is pinned</b> by SHA-256, and so is what is made of it: every file of a
 *       cached model is listed with size, CRC-32 and SHA-256 in its manifest.json. Sizes and CRC-32
 *       are compared on every use, at the speed of reading the files; a damaged model is made again.
 *       SHA-256 on request ({@link dev.attune.hub.Hub#verify}).
 *   <li><b>First use is atomic.</b> A cached model is made in a folder of its own, synced, renamed
 *       into place; a lock file lets a second process wait for the first instead of repeating it. A
 *       kill at any moment leaves either nothing or all of it.
 * </ul>
 */
package dev.attune.hub;
