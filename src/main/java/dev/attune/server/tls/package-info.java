/** Certificates and keys as files have them. */
package dev.attune.server.tls;
