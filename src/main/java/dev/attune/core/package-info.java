/**
 * Types that every room uses. Imports nothing of ours.
 *
 * <p>Decisions on files that can be made again:
 *
 * <ul>
 *   <li><b>One folder, one rule</b> ({@link dev.attune.core.Cache}), for native libraries,
 *       converted models and measured choices. A home that cannot be used is replaced by a private
 *       temporary folder, and a warning says so; a folder that the user named is not replaced in
 *       silence.
 *   <li><b>Nothing in it is trusted for being there.</b> A native library is compared with the JAR
 *       before every load, by size and CRC-32, which the JAR's directory knows; the folder for code
 *       belongs to this user and nobody else writes to it.
 *   <li><b>Files come whole.</b> They are written aside and renamed, under a lock that holds for
 *       threads, class loaders and processes.
 *   <li><b>A native library belongs to one class loader</b>, so every further one loads a copy that
 *       is deleted as soon as it is loaded ({@link dev.attune.core.NativeLoader}).
 * </ul>
 *
 * <p>Decision on messages: <b>what a user can set has one name here and one on each face.</b> A
 * message says what is wrong, the allowed range and the likely fix, and the fix is an option of the
 * command line or a method of the API. Rooms know neither; they write a {@link
 * dev.attune.core.Term}, and whoever shows the message puts its word there. So a message is written
 * once, next to the limit that it states.
 */
package dev.attune.core;
