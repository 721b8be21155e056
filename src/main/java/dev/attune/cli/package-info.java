/**
 * The command line: parses options with Apache Commons CLI, calls {@code run}, prints. Exit status:
 * 0 done, 1 failed, 2 wrong usage or bad input, 130 interrupted.
 */
package dev.attune.cli;
