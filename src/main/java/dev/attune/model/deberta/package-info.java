/** DeBERTa. */
package dev.attune.model.deberta;
