/**
 * The server's journal: one SQLite file in which every change of state is durable before anybody is
 * told of it. It knows nothing of what its tables hold: each part of the server has its own.
 */
package dev.attune.server.database;
