/** BERT. */
package dev.attune.model.bert;
