/** RoBERTa. */
package dev.attune.model.roberta;
