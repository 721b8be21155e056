/** EuroBERT. */
package dev.attune.model.eurobert;
