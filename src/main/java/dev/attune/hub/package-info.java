/**
 * From what the user typed after {@code --model} to a Hugging Face folder on this machine, and from
 * {@code hf://datasets/…} to a file; and from files of a model to a repository of the hub.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>A folder is used as it is.</b> Nothing is copied, and an existing folder wins over a
 *       name, be it ours or the hub's.
 *   <li><b>Models by name are artifacts of Maven Central</b>: an application has one on its class
 *       path, the command line lets Maven fetch it, so that the mirrors, proxies and offline
 *       switches that the user has set up there apply here too. Where there is no Maven, the JAR
 *       can be put into a folder by hand. A library starts no process: Maven is started only where
 *       {@link dev.attune.hub.Hub#allowMaven} was called.
 *   <li><b>What is fetched of it is pinned</b> by SHA-256, and so is what is made of it: every file
 *       of the cached model is listed with size, CRC-32 and SHA-256 in its manifest.json. Sizes and
 *       CRC-32 are compared on every use, at the speed of reading the files; a damaged model is
 *       made again. SHA-256 on request ({@link dev.attune.hub.Hub#verify}).
 *   <li><b>Names of the Hugging Face Hub are fetched.</b> This room had no network code: models
 *       were to be brought by other programs. But {@code ORG/NAME} is what most users type first,
 *       what every model card and adapter_config.json says, and the refusal sent them to Python. So
 *       there is a client, on the JDK's java.net.http alone, and one rule for it: a connection is
 *       opened for a name of the hub that the user gave, or that an adapter of the user's gives,
 *       and for nothing else; no version checks, no counters.
 *   <li><b>One cache with Python.</b> Layout, environment variables and offline rules are those of
 *       {@code huggingface_hub} ({@code HubCache}, {@code HubSettings}); compared file by file with
 *       version 1.33. Its locks are flock's, Java's are POSIX's: they do not see each other. So
 *       nothing that grows is shared between the two, and what is shared comes by a rename.
 *   <li><b>Whole or not there.</b> A content grows under a name of its own, is compared with the
 *       hash that the hub states (SHA-256, or git's SHA-1), synced, renamed; then links; last of
 *       all the branch's commit. A kill at any moment loses at most what was not written yet, and
 *       the next try goes on there. Python notes the branch's commit first; here it is last, so
 *       that a model which was whole stays usable offline while its successor is half fetched.
 *   <li><b>Only what is read</b> is fetched ({@code ModelChoice}), config.json before the rest: a
 *       model that no family here reads costs no weights. Code that models bring is never fetched,
 *       still less run.
 *   <li><b>A server is not trusted.</b> Names of files stay below the cache under the rules of
 *       every system, names of contents are hashes, answers and bodies are bounded by what was
 *       announced, redirects lead to http and https only, and the token goes to the hub's own
 *       scheme, host and port alone.
 *   <li><b>A push is one commit, and comes last.</b> Large files go to the hub's store first, where
 *       nobody sees them; the commit names its parent, so that nobody's is overwritten, and one
 *       whose answer is lost is looked for before it is made again. LFS, not Xet: the hub takes
 *       both, and Xet would need its own chunking and hashing for the sake of speed alone.
 *   <li><b>First use is atomic.</b> A lock file lets a second process wait for the first instead of
 *       repeating it.
 * </ul>
 */
package dev.attune.hub;
