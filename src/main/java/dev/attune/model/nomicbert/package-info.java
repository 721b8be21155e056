/** NomicBERT. */
package dev.attune.model.nomicbert;
