/** ELECTRA. */
package dev.attune.model.electra;
