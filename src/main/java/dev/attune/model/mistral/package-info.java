/** Mistral. */
package dev.attune.model.mistral;
