/** Llama, and what its relatives share with it. */
package dev.attune.model.llama;
