/** DistilBERT. */
package dev.attune.model.distilbert;
