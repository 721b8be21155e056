/**
 * Columns of whole numbers and lists of records in files that are mapped into memory, so that data
 * may be larger than memory. Imports {@code core}; knows nothing of examples or tokens.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li>Plain 32-bit numbers in the order of little-endian machines, and records at multiples of
 *       eight bytes: what is mapped is what is read, without a step between.
 *   <li>A store is a folder under the name of a key over all that its content depends on. It is
 *       written under another name and renamed when it is whole, so two processes that write the
 *       same one do no harm: the second finds the first one's and drops its own. Nobody waits for
 *       anybody.
 *   <li>Nothing is forced to the disk. Each file's CRC-32C stands in the manifest and is compared
 *       whenever a store is opened, at the speed of reading it; what a lost machine left half
 *       written is a damaged store, which is made again.
 *   <li>What a killed process was writing is deleted by the next one: the writer holds a lock on
 *       it, which goes with the process.
 *   <li>Mappings are closed by the garbage collector, as the JDK has it. A file that is deleted
 *       stays readable to who has mapped it.
 * </ul>
 */
package dev.attune.data.mapped;
