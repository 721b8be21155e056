/**
 * Who may do what, and how much of it: API keys, which only their owners know, tenants, which see
 * nothing of one another, and the bounds of each.
 */
package dev.attune.server.access;
