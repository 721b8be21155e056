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
 *   <li>Nothing is forced to the disk. Each block of a file has its CRC-32C, which is compared
 *       before the block is first read: of small files when the store is opened, of large ones when
 *       it comes to that, so that a start does not read what it does not need. What a lost machine
 *       left half written is a damaged store, which is made again, or where that is found later
 *       ends the run and is made again by the next.
 *   <li>What a killed process was writing is deleted by the next one: the writer holds a lock on
 *       it, which goes with the process.
 *   <li>Mappings are closed by the garbage collector, as the JDK has it. A file that is deleted
 *       stays readable to who has mapped it.
 * </ul>
 */
package dev.attune.data.mapped;
