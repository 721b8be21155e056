/** Which models the server has: bases that its owner named, and those that jobs have made. */
package dev.attune.server.models;
