/** ModernBERT. */
package dev.attune.model.modernbert;
