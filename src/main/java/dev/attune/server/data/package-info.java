/** The folder that a server keeps everything in, and whether all of it is there. */
package dev.attune.server.data;
